import { z } from "zod";
import type { Chapter } from "../api/operation.ts";
import { ana, later, morning, phone, tablet, tokens } from "../api/story.ts";
import { instant, named, uuid } from "../api/vocabulary.ts";
import {
  loginBody,
  logoutBody,
  refreshBody,
  registerBody,
  resetBody,
  resetRequestBody,
} from "./auth-routes.ts";

const pair = {
  accessToken: z.string().describe("For `Authorization: Bearer`."),
  refreshToken: z.string().describe("Good for one use, by this device."),
  expiresIn: z.int().describe("Seconds until the access token expires."),
};
const person = { userId: uuid, email: z.string(), displayName: z.string() };

const registered = named("Registered", z.strictObject({ ...person, ...pair, createdAt: instant }));
const signedIn = named(
  "SignedIn",
  z.strictObject({
    ...person,
    ...pair,
    lastSyncTimestamp: instant.nullable().describe("Null before the first sync."),
  }),
);
const tokenPair = named("TokenPair", z.strictObject(pair));

const { userId, email, password, displayName } = ana;
const examplePair = { accessToken: tokens.access, refreshToken: tokens.refresh, expiresIn: 900 };
const known = { userId, email, displayName };

export const authChapter: Chapter = {
  tag: "Sign-in",
  description: "How a device is signed in and out. A refresh token is used once: each use gives the next.",
  operations: {
    register: {
      summary: "Makes an account and signs this device in",
      description:
        "Whether anyone may is for whoever runs the server to say; the first account may always be made.",
      access: "device",
      body: {
        schema: named("Registration", registerBody),
        examples: { phone: { email, password, displayName, deviceInfo: phone } },
      },
      answers: {
        201: {
          description: "The account, and tokens for this device.",
          schema: registered,
          examples: { phone: { ...known, ...examplePair, createdAt: morning } },
        },
      },
      errors: ["FORBIDDEN", "CONFLICT"],
    },
    login: {
      summary: "Signs this device in",
      description: "Its session before ends. A wrong password and an unknown email are answered alike.",
      access: "device",
      body: {
        schema: named("Login", loginBody),
        examples: {
          phone: { email, password, deviceInfo: phone },
          tablet: { email, password, deviceInfo: tablet },
          again: { email, password, deviceInfo: phone },
        },
      },
      answers: {
        200: {
          description: "Tokens for this device.",
          schema: signedIn,
          examples: {
            phone: { ...known, ...examplePair, lastSyncTimestamp: null },
            tablet: {
              ...known,
              ...examplePair,
              refreshToken: tokens.refreshOfTablet,
              lastSyncTimestamp: null,
            },
            again: { ...known, ...examplePair, lastSyncTimestamp: later },
          },
        },
      },
      errors: ["UNAUTHORIZED"],
    },
    refresh: {
      summary: "Exchanges a refresh token for a new pair",
      description:
        "A token that was used before ends the session, but for a repeat within 60 seconds by a device that has not used the successor: its answer was lost.",
      access: "device",
      body: { schema: named("Refresh", refreshBody), examples: { phone: { refreshToken: tokens.refresh } } },
      answers: { 200: { description: "The new pair.", schema: tokenPair, examples: { phone: examplePair } } },
      errors: ["UNAUTHORIZED"],
    },
    logout: {
      summary: "Ends the session of a device",
      access: "account",
      body: { schema: named("Logout", logoutBody), examples: { tablet: { deviceId: tablet.deviceId } } },
      answers: { 204: { description: "It has none any more." } },
    },
    requestPasswordReset: {
      summary: "Sends a link to set a new password",
      access: "device",
      body: { schema: named("PasswordResetRequest", resetRequestBody), examples: { known: { email } } },
      answers: { 202: { description: "The same for addresses with an account and without." } },
    },
    resetPassword: {
      summary: "Sets a new password with the token from that mail",
      description: "Every session of the account ends. A token is good for 30 minutes, and once.",
      access: "device",
      body: {
        schema: named("PasswordReset", resetBody),
        examples: { forgotten: { token: tokens.reset, newPassword: password } },
      },
      answers: { 204: { description: "It is set." } },
    },
  },
};

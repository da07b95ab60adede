import { z } from "zod";
import type { Chapter } from "../api/operation.ts";
import { ana, later, link, morning, phone, tablet } from "../api/story.ts";
import { count, instant, named, url, uuid } from "../api/vocabulary.ts";
import { uuid as deviceId } from "../http/text-schema.ts";
import { eraseBody, passwordBody, profileBody } from "./user-routes.ts";

const profilePhotoUrl = url.nullable().describe("A link that is good for 15 minutes.");

const profile = named(
  "Profile",
  z.strictObject({
    userId: uuid,
    email: z.string(),
    displayName: z.string(),
    profilePhotoUrl,
    createdAt: instant,
    statistics: z.strictObject({
      totalLocations: count,
      totalPlaceVisits: count,
      totalTrips: count,
      totalPhotos: count,
      countriesVisited: count,
      totalDistance: z.number().min(0).describe("Metres."),
    }),
  }),
);
const profileChanged = named(
  "ProfileChanged",
  z.strictObject({ userId: uuid, profilePhotoUrl, updatedAt: instant }),
);
const device = named(
  "Device",
  z.strictObject({
    deviceId: uuid,
    deviceName: z.string(),
    platform: z.string(),
    osVersion: z.string(),
    appVersion: z.string(),
    lastSyncAt: instant.describe("When it registered, as long as it has not synced."),
    registeredAt: instant,
    isActive: z.boolean().describe("Whether it is signed in."),
  }),
);

const { userId, email, displayName, password, newPassword } = ana;
const statistics = {
  totalLocations: 1,
  totalPlaceVisits: 1,
  totalTrips: 1,
  totalPhotos: 2,
  countriesVisited: 1,
  totalDistance: 0,
};
/** A picture of one pixel, as GIF. */
const pixel = "R0lGODdhAQABAIAAAP///////ywAAAAAAQABAAACAkQBADs=";
const avatar = link("avatars", "0f1e2d3c4b5a69788796a5b4c3d2e1f0");
const active = { lastSyncAt: later, registeredAt: morning, isActive: true };

export const userChapter: Chapter = {
  tag: "Account",
  description: "A person's own account, profile and devices.",
  operations: {
    readProfile: {
      summary: "The account, and what its journal amounts to",
      access: "account",
      answers: {
        200: {
          description: "The profile.",
          schema: profile,
          examples: {
            ana: { userId, email, displayName, profilePhotoUrl: null, createdAt: morning, statistics },
          },
        },
      },
    },
    changeProfile: {
      summary: "Changes the name, the picture or both",
      description:
        "`profilePhoto` is base64, also as a data URL, of at most 10 MB; an empty text takes the picture away.",
      access: "account",
      body: {
        schema: named("ProfileChange", profileBody),
        examples: {
          name: { displayName: "Ana Maria", profilePhoto: null },
          picture: { displayName: null, profilePhoto: pixel },
        },
      },
      answers: {
        200: {
          description: "It is changed.",
          schema: profileChanged,
          examples: {
            name: { userId, profilePhotoUrl: null, updatedAt: later },
            picture: { userId, profilePhotoUrl: avatar, updatedAt: later },
          },
        },
      },
    },
    changePassword: {
      summary: "Changes the password",
      description: "Other devices are signed out. A wrong present password is a 403.",
      access: "account",
      body: {
        schema: named("PasswordChange", passwordBody),
        examples: { known: { currentPassword: password, newPassword } },
      },
      answers: { 204: { description: "It is changed." } },
    },
    eraseAccount: {
      summary: "Erases the account and everything it owns",
      access: "account",
      body: { schema: named("Erasure", eraseBody), examples: { known: { password } } },
      answers: { 204: { description: "Nothing is left of it." } },
    },
    listDevices: {
      summary: "Every device that was ever signed in",
      access: "account",
      answers: {
        200: {
          description: "The devices, the first one first.",
          schema: named("Devices", z.strictObject({ devices: z.array(device) })),
          examples: {
            two: {
              devices: [
                { ...phone, ...active },
                { ...tablet, ...active },
              ],
            },
          },
        },
      },
    },
    endDevice: {
      summary: "Ends the sessions of a device",
      access: "account",
      path: z.object({ deviceId }),
      at: { deviceId: tablet.deviceId },
      answers: { 204: { description: "It has none any more." } },
    },
  },
};

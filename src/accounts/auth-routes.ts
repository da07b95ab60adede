import { Elysia } from "elysia";
import { z } from "zod";
import type { Context } from "../context.ts";
import { invalid } from "../errors.ts";
import { described } from "../http/described.ts";
import { openToAll, signedIn } from "../http/guards.ts";
import { readJson } from "../http/read.ts";
import { plainText, uuid } from "../http/text-schema.ts";
import { type DeviceInfo, deviceInfo, findKnownAccount, readLastSync } from "./devices.ts";
import { displayName } from "./display-name.ts";
import { emailAddress, givenEmail } from "./email-address.ts";
import { givenPassword, newPassword } from "./password-rules.ts";

const token = plainText(1, 200);

export const registerBody = z.object({
  email: emailAddress,
  password: newPassword,
  displayName,
  deviceInfo,
  inviteToken: token.nullish(),
});
export const loginBody = z.object({ email: givenEmail, password: givenPassword, deviceInfo });
export const refreshBody = z.object({ refreshToken: token });
export const logoutBody = z.object({ deviceId: uuid });
export const resetRequestBody = z.object({ email: givenEmail });
export const resetBody = z.object({ token, newPassword });

function requireSameDevice(info: DeviceInfo, deviceId: string): void {
  if (info.deviceId !== deviceId)
    throw invalid({ "deviceInfo.deviceId": "must equal the header X-Device-ID" });
}

const noContent = () => new Response(null, { status: 204 });

/** What a phone calls before it is signed in. */
function openRoutes(context: Context) {
  const { db, accounts, registration, sessions, passwordReset, requests, limits } = context;
  return new Elysia()
    .use(openToAll(context))
    .post(
      "/auth/register",
      async ({ request, deviceId, set }) => {
        const { deviceInfo, inviteToken, ...account } = await readJson(request, registerBody);
        requireSameDevice(deviceInfo, deviceId);
        const { user, session } = await registration.register(account, deviceInfo, inviteToken ?? null);
        const { id: userId, email, displayName, createdAt } = user;
        set.status = 201;
        return { userId, email, displayName, ...(await sessions.tokens(session)), createdAt };
      },
      described("register"),
    )
    .post(
      "/auth/login",
      async ({ request, deviceId }) => {
        const { email, password, deviceInfo } = await readJson(request, loginBody);
        requireSameDevice(deviceInfo, deviceId);
        const address = requests.get(request)?.client.address ?? "";
        const succeeded = await limits.signIn.attempt({ email, deviceId, address }, () =>
          findKnownAccount(db, email, deviceId),
        );
        const { user, session } = await accounts.login(email, password, deviceInfo);
        await succeeded();
        const lastSyncTimestamp = await readLastSync(db, user.id);
        const { id: userId, displayName } = user;
        return {
          userId,
          email: user.email,
          displayName,
          ...(await sessions.tokens(session)),
          lastSyncTimestamp,
        };
      },
      described("login"),
    )
    .post(
      "/auth/refresh",
      async ({ request, route, deviceId }) => {
        const { refreshToken } = await readJson(request, refreshBody);
        const tally = requests.get(request)?.tally;
        return sessions.refresh(refreshToken, deviceId, async (userId) =>
          tally?.presented(userId, { method: request.method, route }),
        );
      },
      described("refresh"),
    )
    .post(
      "/auth/reset-password-request",
      async ({ request }) => {
        const { email } = await readJson(request, resetRequestBody);
        passwordReset.request(email);
        return new Response(null, { status: 202 });
      },
      described("requestPasswordReset"),
    )
    .post(
      "/auth/reset-password",
      async ({ request }) => {
        const { token, newPassword } = await readJson(request, resetBody);
        const userId = await passwordReset.reset(token, newPassword);
        // Whoever reads the account's mail may sign in from here at once, however many strangers guess.
        limits.welcome(userId, requests.get(request)?.client.address ?? "");
        return noContent();
      },
      described("resetPassword"),
    );
}

/** `/auth/*`: sign up, in and out. */
export function authRoutes(context: Context) {
  return new Elysia().use(openRoutes(context)).use(
    new Elysia().use(signedIn(context)).post(
      "/auth/logout",
      async ({ request, session }) => {
        const { deviceId } = await readJson(request, logoutBody);
        await context.sessions.end(session.userId, deviceId);
        return noContent();
      },
      described("logout"),
    ),
  );
}

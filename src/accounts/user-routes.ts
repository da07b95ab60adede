import { Elysia } from "elysia";
import { z } from "zod";
import type { Context } from "../context.ts";
import { notFound, unauthorized } from "../errors.ts";
import { described } from "../http/described.ts";
import { signedIn } from "../http/guards.ts";
import { readJson } from "../http/read.ts";
import { uuid } from "../http/text-schema.ts";
import { longestAvatarText } from "../photos/avatars.ts";
import { deviceExists, listDevices } from "./devices.ts";
import { displayName } from "./display-name.ts";
import { givenPassword, newPassword } from "./password-rules.ts";
import { findUser, updateDisplayName } from "./users.ts";

export const profileBody = z.object({
  displayName: displayName.nullish(),
  profilePhoto: z.string("must be base64").nullish(),
});
export const passwordBody = z.object({ currentPassword: givenPassword, newPassword });
export const eraseBody = z.object({ password: givenPassword });

const noContent = () => new Response(null, { status: 204 });

/** An account that was erased between the guard and the handler. */
const gone = () => unauthorized("This account is gone");

/** `/user/*`: a person's own account, profile and devices. */
export function userRoutes(context: Context) {
  const { db, accounts, sessions, statistics, avatars } = context;
  return new Elysia()
    .use(signedIn(context))
    .get(
      "/user/profile",
      async ({ session }) => {
        const user = await findUser(db, session.userId);
        if (!user) throw gone();
        const { id: userId, email, displayName, createdAt } = user;
        const counted = await statistics.read(userId);
        const profilePhotoUrl = await avatars.url(userId);
        return { userId, email, displayName, profilePhotoUrl, createdAt, statistics: counted };
      },
      described("readProfile"),
    )
    .put(
      "/user/profile",
      async ({ request, session: { userId } }) => {
        const { displayName, profilePhoto } = await readJson(request, profileBody, longestAvatarText);
        if (profilePhoto !== null && profilePhoto !== undefined) await avatars.set(userId, profilePhoto);
        const user = displayName
          ? await updateDisplayName(db, userId, displayName)
          : await findUser(db, userId);
        if (!user) throw gone();
        return { userId, profilePhotoUrl: await avatars.url(userId), updatedAt: user.updatedAt };
      },
      described("changeProfile"),
    )
    .put(
      "/user/password",
      async ({ request, session }) => {
        const { currentPassword, newPassword } = await readJson(request, passwordBody);
        await accounts.changePassword(session, currentPassword, newPassword);
        return noContent();
      },
      described("changePassword"),
    )
    .delete(
      "/user",
      async ({ request, session }) => {
        const { password } = await readJson(request, eraseBody);
        await accounts.erase(session.userId, password);
        return noContent();
      },
      described("eraseAccount"),
    )
    .get(
      "/user/devices",
      async ({ session }) => ({ devices: await listDevices(db, session.userId) }),
      described("listDevices"),
    )
    .delete(
      "/user/devices/:deviceId",
      async ({ params, session: { userId } }) => {
        const deviceId = uuid.safeParse(params.deviceId).data;
        if (!deviceId || !(await deviceExists(db, userId, deviceId))) throw notFound("Device");
        await sessions.end(userId, deviceId);
        return noContent();
      },
      described("endDevice"),
    );
}

import { Elysia } from "elysia";
import type { Context } from "../context.ts";
import { AppError, unauthorized } from "../errors.ts";
import { readDeviceHeaders } from "./device-headers.ts";

/** A request that proved who it is. */
export interface Session {
  readonly userId: string;
  readonly deviceId: string;
  readonly sessionId: string;
}

/**
 * Guards routes by which people get in: the device headers are required, nothing else. What they cost, a hash of a
 * password before all, is limited for each address.
 * @throws 400 for the headers, 429
 */
export function openToAll({ requests }: Pick<Context, "requests">) {
  return new Elysia({ name: "open-to-all" }).derive({ as: "scoped" }, async ({ request }) => {
    await requests.get(request)?.tally.signingIn();
    const { deviceId, appVersion } = readDeviceHeaders(request.headers);
    return { deviceId, appVersion };
  });
}

function bearerToken(headers: Headers): string {
  const token = /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];
  if (!token) throw unauthorized();
  return token;
}

/**
 * Guards routes of an account. It runs before anything of the body is read, so that a stranger learns nothing
 * and costs little.
 * @throws 400 for the headers, 401 for the token, 429, 403 when the token belongs to another device.
 */
export function signedIn({ sessions, requests }: Pick<Context, "sessions" | "requests">) {
  return new Elysia({ name: "signed-in" }).derive({ as: "scoped" }, async ({ request, route }) => {
    const { deviceId } = readDeviceHeaders(request.headers);
    const session: Session = await sessions.verify(bearerToken(request.headers));
    const state = requests.get(request);
    if (state) {
      state.accountId = session.userId;
      await state.tally.proven(session.userId, { method: request.method, route });
    }
    if (session.deviceId !== deviceId)
      throw new AppError("FORBIDDEN", "This token belongs to another device");
    return { session };
  });
}

/** Guards what describes the API: where Cloudflare Access is set up, only whom it let in. @throws 401, 403 */
export function letInByAccess({ access }: Pick<Context, "access">) {
  return new Elysia({ name: "let-in-by-access" }).derive({ as: "scoped" }, async ({ request }) => {
    await access.admitReader(request);
    return {};
  });
}

/** Guards the metrics. @throws 401, 403 */
export function letInToMetrics({ access, requests }: Pick<Context, "access" | "requests">) {
  return new Elysia({ name: "let-in-to-metrics" }).derive({ as: "scoped" }, async ({ request }) => {
    await access.admitScraper({ headers: request.headers, peer: requests.get(request)?.peer ?? "" });
    return {};
  });
}

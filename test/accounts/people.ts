import type { PasswordHasher } from "../../src/accounts/password-hasher.ts";
import type { Answer, TestServer } from "../support/test-server.ts";

/** Somebody with an account, signed in on one device. */
export interface Person {
  readonly userId: string;
  readonly email: string;
  readonly password: string;
  readonly deviceId: string;
  readonly accessToken: string;
  readonly refreshToken: string;
}

export const goodPassword = "correct horse battery";

/** Takes no time, so that what follows a hash really happens at once in a race. */
export const instantHasher: PasswordHasher = {
  hash: async (password) => `hash of ${password}`,
  verify: async (password, hash) => hash === `hash of ${password}`,
  isOutdated: () => false,
  unmatchable: () => "none",
};

export function deviceInfo(deviceId: string) {
  return { deviceId, deviceName: "Pixel 8", platform: "Android", osVersion: "15", appVersion: "1.0.0" };
}

let people = 0;

/** Sends a registration; `body` replaces or adds keys. */
export function sendRegister(server: TestServer, body: Record<string, unknown> = {}): Promise<Answer> {
  const { deviceId = crypto.randomUUID(), ...rest } = body as { deviceId?: string };
  return server.request("POST", "/auth/register", {
    deviceId,
    body: {
      email: `person${++people}@example.org`,
      password: goodPassword,
      displayName: "Ada",
      deviceInfo: deviceInfo(deviceId),
      ...rest,
    },
  });
}

function toPerson(answer: Answer, status: number, password: string, deviceId: string): Person {
  if (answer.status !== status) throw new Error(`${answer.status}: ${answer.text}`);
  return { ...answer.json, password, deviceId };
}

/** Registers somebody new. */
export async function register(server: TestServer, deviceId: string = crypto.randomUUID()): Promise<Person> {
  return toPerson(await sendRegister(server, { deviceId }), 201, goodPassword, deviceId);
}

export function sendLogin(
  server: TestServer,
  who: { email: string; password: string },
  deviceId: string = crypto.randomUUID(),
): Promise<Answer> {
  const { email, password } = who;
  const body = { email, password, deviceInfo: deviceInfo(deviceId) };
  return server.request("POST", "/auth/login", { deviceId, body });
}

/** Signs the same person in, on another device unless one is named. */
export async function login(
  server: TestServer,
  who: { email: string; password: string },
  deviceId: string = crypto.randomUUID(),
): Promise<Person> {
  return toPerson(await sendLogin(server, who, deviceId), 200, who.password, deviceId);
}

export function refresh(server: TestServer, refreshToken: string, deviceId: string): Promise<Answer> {
  return server.request("POST", "/auth/refresh", { deviceId, body: { refreshToken } });
}

/** Status of a signed-in request: 200 while the token is good. */
export async function statusOf(
  server: TestServer,
  who: { accessToken: string; deviceId: string },
): Promise<number> {
  const answer = await server.request("GET", "/user/devices", {
    token: who.accessToken,
    deviceId: who.deviceId,
  });
  return answer.status;
}

import { afterEach, expect, test } from "bun:test";
import { argon2Hasher, type PasswordHasher } from "../../src/accounts/password-hasher.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { goodPassword, type Person, register, sendLogin, statusOf } from "./people.ts";

let server: TestServer;
afterEach(() => server.stop());

/** Starts a server that stops a sign-in after its hash fitted, until `meanwhile` is done. */
async function loginWhile(meanwhile: (person: Person) => Promise<unknown>): Promise<number> {
  let between: (() => Promise<unknown>) | undefined;
  const hasher: PasswordHasher = {
    ...argon2Hasher,
    async verify(password, hash) {
      const fits = await argon2Hasher.verify(password, hash);
      await between?.();
      return fits;
    },
  };
  server = await startTestServer({}, { hasher });
  const person = await register(server);
  between = async () => {
    between = undefined;
    await meanwhile(person);
  };
  const answer = await sendLogin(server, person, person.deviceId);
  if (answer.status === 200) expect(await statusOf(server, { ...person, ...answer.json })).toBe(200);
  return answer.status;
}

test("an undisturbed sign-in succeeds", async () => {
  expect(await loginWhile(async () => undefined)).toBe(200);
});

test("a password that was changed while its hash was computed lets nobody in", async () => {
  const user = (person: Person) => ({ id: person.userId, email: person.email }) as never;
  const status = await loginWhile((person) =>
    server.context.accounts.overridePassword(user(person), "another password"),
  );
  expect(status).toBe(401);
});

test("nor does an account that was disabled in the meantime", async () => {
  expect(await loginWhile((person) => server.context.accounts.setDisabled(person.userId, true))).toBe(401);
});

test("nor one that was erased", async () => {
  expect(await loginWhile((person) => server.context.accounts.delete(person.userId))).toBe(401);
});

test("a second sign-in that strengthened the hash in the meantime does no harm", async () => {
  const { replaceHash, findCredential } = await import("../../src/accounts/users.ts");
  const status = await loginWhile(async ({ userId }) => {
    const { db } = server.context;
    const stored = await findCredential(db, { userId });
    await replaceHash(db, userId, stored?.passwordHash ?? "", await argon2Hasher.hash(goodPassword));
  });
  expect(status).toBe(200);
});

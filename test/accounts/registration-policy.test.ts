import { afterEach, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { createInvite } from "../../src/accounts/invites.ts";
import type { Config } from "../../src/config/config.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { instantHasher, sendRegister } from "./people.ts";

let server: TestServer;
afterEach(() => server.stop());

const start = async (registration: Config["registration"]) => {
  server = await startTestServer({ registration }, { hasher: instantHasher });
};
const statuses = (answers: { status: number }[]) => answers.map(({ status }) => status).sort();

test("closed: the first account ever is let in, the second is not", async () => {
  await start("closed");
  expect((await sendRegister(server)).status).toBe(201);
  const second = await sendRegister(server);
  expect(second.status).toBe(403);
  expect(second.json).toMatchObject({ error: "FORBIDDEN", message: expect.stringContaining("closed") });
});

test("closed: of ten who come first at once, one is the first", async () => {
  await start("closed");
  const answers = await Promise.all(Array.from({ length: 10 }, () => sendRegister(server)));
  expect(statuses(answers)).toEqual([201, ...Array(9).fill(403)]);
});

test("closed: tells nobody which emails are registered", async () => {
  await start("closed");
  await sendRegister(server, { email: "first@example.org" });
  expect((await sendRegister(server, { email: "first@example.org" })).status).toBe(403);
});

test("closed: a refusal costs no password hash", async () => {
  let hashed = 0;
  const hash = async () => `hash ${++hashed}`;
  const hasher = { ...instantHasher, hash };
  server = await startTestServer({ registration: "closed" }, { hasher });
  await sendRegister(server);
  await sendRegister(server);
  expect(hashed).toBe(1);
});

test("invite: needs one, and takes it once", async () => {
  await start("invite");
  expect((await sendRegister(server)).status).toBe(201);
  expect((await sendRegister(server)).status).toBe(403);
  expect((await sendRegister(server, { inviteToken: "made up" })).status).toBe(403);
  const { id, token } = await createInvite(server.context.db, null, 3600);
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => sendRegister(server, { inviteToken: token })),
  );
  expect(statuses(answers)).toEqual([201, 403, 403, 403, 403]);
  const used = await server.context.db.execute(sql`
    SELECT used_by, used_at IS NOT NULL AS used FROM invites WHERE id = ${id}`);
  expect([...used]).toEqual([
    { used_by: answers.find(({ status }) => status === 201)?.json.userId, used: true },
  ]);
});

test("invite: a refused registration does not use it up", async () => {
  await start("invite");
  await sendRegister(server, { email: "first@example.org" });
  const { token: inviteToken } = await createInvite(server.context.db, null, 3600);
  expect((await sendRegister(server, { inviteToken, email: "first@example.org" })).status).toBe(409);
  expect((await sendRegister(server, { inviteToken })).status).toBe(201);
});

test("invite: keeps to its address and its time", async () => {
  await start("invite");
  await sendRegister(server);
  const { token } = await createInvite(server.context.db, "guest@example.org", 3600);
  expect((await sendRegister(server, { inviteToken: token })).status).toBe(403);
  expect((await sendRegister(server, { inviteToken: token, email: "Guest@example.org" })).status).toBe(201);
  const late = await createInvite(server.context.db, null, -1);
  expect((await sendRegister(server, { inviteToken: late.token })).status).toBe(403);
});

test("invite: is stored as a hash only", async () => {
  await start("invite");
  const { token } = await createInvite(server.context.db, null, 3600);
  const rows = await server.context.db.execute(sql`SELECT encode(token_hash, 'hex') AS hash FROM invites`);
  expect([...rows]).toEqual([{ hash: new Bun.CryptoHasher("sha256").update(token).digest("hex") }]);
});

import { afterAll, beforeAll, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { connect, type DatabaseClient, parseDatabaseUrl } from "../../src/database/client.ts";
import { startServerProcess } from "../support/server-process.ts";
import { createTestDatabase, type TestDatabase } from "../support/shared-postgres.ts";
import { startSmtpServer, type TakenMail } from "../support/smtp-server.ts";
import { headersOf, tokenIn } from "../support/taken-mail.ts";
import { anyDevice } from "../support/test-server.ts";
import { until } from "../support/until.ts";

let own: TestDatabase;
let client: DatabaseClient;
beforeAll(async () => {
  own = await createTestDatabase();
  client = connect(parseDatabaseUrl(own.url), 2);
});
afterAll(async () => {
  await client.close();
  await own.drop();
});

test("a server that is killed in the middle of a mail: the next one sends it, once", async () => {
  const presented: TakenMail[] = [];
  const smtp = await startSmtpServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    // The first mail is there, and its sender waits for a word that never comes.
    judge: (mail) => (presented.push(mail) === 1 ? new Promise(() => {}) : Promise.resolve(null)),
  });
  const server = await startServerProcess({
    env: {
      DATABASE_URL: own.url,
      PUBLIC_URL: "https://trails.example.org",
      EMAIL_ENABLED: "true",
      EMAIL_PROVIDER: "smtp",
      SMTP_HOST: "127.0.0.1",
      SMTP_PORT: String(smtp.port),
      SMTP_TLS_ENABLED: "false",
      SMTP_FROM_EMAIL: "trails@example.org",
    },
  });
  const call = (path: string, body: object) =>
    fetch(`${server.url}/api/v1/auth/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Device-ID": anyDevice, "X-App-Version": "1" },
      body: JSON.stringify(body),
    });
  const isDone = async () => {
    const [row] = await client.db.execute<{ state: string }>(sql`SELECT state FROM jobs WHERE kind = 'mail'`);
    return row?.state === "done";
  };
  try {
    const email = "ada@example.org";
    const deviceInfo = {
      deviceId: anyDevice,
      deviceName: "A",
      platform: "B",
      osVersion: "1",
      appVersion: "1",
    };
    const password = "correct horse battery";
    expect((await call("register", { email, password, displayName: "Ada", deviceInfo })).status).toBe(201);
    expect((await call("reset-password-request", { email })).status).toBe(202);
    await until(() => presented.length === 1);
    await server.kill("SIGKILL");
    expect(smtp.taken).toEqual([]);
    await client.db.execute(
      sql`UPDATE jobs SET lease_until = now() - interval '1 second' WHERE kind = 'mail'`,
    );
    await server.restart();
    await until(isDone);
    expect(smtp.taken.map(({ to }) => to)).toEqual([[email]]);
    const [first, second] = presented as [TakenMail, TakenMail];
    expect(presented).toHaveLength(2);
    expect(headersOf(second).get("message-id")).toBe(headersOf(first).get("message-id") as string);
    const token = tokenIn(second);
    expect(token).toBe(tokenIn(first));
    expect((await call("reset-password", { token, newPassword: "another good one" })).status).toBe(204);
  } finally {
    await server.stop();
    await smtp.stop();
  }
});

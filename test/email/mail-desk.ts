import { sql } from "drizzle-orm";
import type { Config } from "../../src/config/config.ts";
import { type Mail, mail } from "../../src/email/mails.ts";
import type { TestServer } from "../support/test-server.ts";

/** Sends through a mail server on this machine, in clear. */
export const mailSettings = (port: number) =>
  ({
    emailEnabled: true,
    emailProvider: "smtp",
    smtpHost: "127.0.0.1",
    smtpPort: port,
    smtpUsername: undefined,
    smtpPassword: undefined,
    smtpFromEmail: "trails@example.org",
    smtpTlsEnabled: false,
  }) as const satisfies Partial<Config>;

/** Does what is asked for, as the worker of a running server would. */
export async function deliver({ context }: TestServer): Promise<void> {
  await context.passwordReset.settle();
  await context.worker.runDue();
}

/** As if the time of the jobs had come, and that of their runs were over. */
export async function hurry({ context }: TestServer): Promise<void> {
  await context.db.execute(
    sql`UPDATE jobs SET run_at = now(), lease_until = lease_until - interval '1 hour' WHERE state <> 'done'`,
  );
}

export interface MailJob extends Record<string, unknown> {
  readonly id: string;
  readonly state: string;
  readonly attempts: number;
  readonly problem: string | null;
  readonly mail: Mail;
}

/** All mails that were asked for, the first one first. */
export async function mailJobs({ context }: TestServer): Promise<MailJob[]> {
  const rows = await context.db.execute<MailJob & { payload: unknown }>(sql`
    SELECT id, state, attempts, problem, payload FROM jobs WHERE kind = 'mail' ORDER BY created_at, id`);
  return rows.map(({ payload, ...job }) => ({ ...job, mail: mail.parse(payload) }));
}

/** All that stands in the database, as text. */
export async function databaseText({ context: { db } }: TestServer): Promise<string> {
  const tables = await db.execute<{ name: string }>(
    sql`SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema()`,
  );
  const texts = await Promise.all(
    tables.map(({ name }) =>
      db.execute<{ row: string }>(sql`SELECT t::text AS row FROM ${sql.identifier(name)} t`),
    ),
  );
  return texts.flatMap((rows) => rows.map(({ row }) => row)).join("\n");
}

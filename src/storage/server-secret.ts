import { randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import type { Queryable, Transaction } from "../database/client.ts";

/** Name of the secret that signs links to pictures. */
export const linksSecret = "signed-urls";

/** Name of the secret under which emails are counted that somebody signs in with. */
export const limitsSecret = "limits";

/**
 * A secret of 32 random bytes that the server made for itself, once: servers that start at the same time on one
 * database agree on it.
 * @param name what it is for
 */
export async function loadSecret(db: Queryable, name: string): Promise<Uint8Array> {
  // Waits for another server's insert, and leaves its secret alone.
  await db.execute(sql`
    INSERT INTO server_secrets (name, secret) VALUES (${name}, ${randomBytes(32)}) ON CONFLICT DO NOTHING`);
  const [row] = await db.execute<{ secret: Uint8Array }>(
    sql`SELECT secret FROM server_secrets WHERE name = ${name}`,
  );
  if (!row) throw new Error(`the secret ${name} is gone as soon as it was made`);
  return row.secret;
}

/** The same, and no other takes its place before the transaction ends. */
export async function holdSecret(tx: Transaction, name: string): Promise<Uint8Array> {
  await loadSecret(tx, name);
  const [row] = await tx.execute<{ secret: Uint8Array }>(
    sql`SELECT secret FROM server_secrets WHERE name = ${name} FOR SHARE`,
  );
  if (!row) throw new Error(`the secret ${name} is gone`);
  return row.secret;
}

/** Puts a new secret in the place of one; whoever holds the old one has to load it again. */
export async function renewSecret(tx: Transaction, name: string): Promise<void> {
  await tx.execute(sql`
    INSERT INTO server_secrets (name, secret) VALUES (${name}, ${randomBytes(32)})
    ON CONFLICT (name) DO UPDATE SET secret = excluded.secret, created_at = now()`);
}

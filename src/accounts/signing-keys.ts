import { createHash, randomBytes } from "node:crypto";
import { isNull, sql } from "drizzle-orm";
import type { Database, Transaction } from "../database/client.ts";
import { signingKeys } from "./tables.ts";

export interface SigningKey {
  /** Stands in a token's header as `kid`. */
  readonly id: string;
  readonly secret: Uint8Array;
}

/** The keys in force. Tokens of any of them are good; new ones are signed with `current`. */
export interface SigningKeys {
  readonly current: SigningKey;
  readonly all: readonly SigningKey[];
}

/** Any number will do, as long as every version of the program uses the same: the letters "keys". */
const lockKey = 0x6b657973;

/** The key that JWT_SECRET stands for. Its id follows from it, so that every server names it alike. */
function configuredKey(jwtSecret: string): SigningKey {
  const digest = createHash("sha256").update("trailglass signing key id\n").update(jwtSecret).digest("hex");
  return { id: `env-${digest.slice(0, 16)}`, secret: Buffer.from(jwtSecret) };
}

async function readKeys(tx: Transaction): Promise<SigningKey[]> {
  return tx
    .select({ id: signingKeys.id, secret: signingKeys.secret })
    .from(signingKeys)
    .where(isNull(signingKeys.retiredAt))
    .orderBy(sql`${signingKeys.createdAt} DESC`, signingKeys.id);
}

async function insertRandomKey(tx: Transaction): Promise<SigningKey> {
  const key = { id: crypto.randomUUID(), secret: randomBytes(32) };
  await tx.insert(signingKeys).values(key);
  return key;
}

/**
 * Reads the keys in force, making the first one where there is none, under a lock: servers that start at the same
 * time agree on one. JWT_SECRET's key signs as long as it is not retired, else the newest.
 */
export async function loadSigningKeys(db: Database, jwtSecret: string | undefined): Promise<SigningKeys> {
  const configured = jwtSecret === undefined ? undefined : configuredKey(jwtSecret);
  return db.transaction(async (tx) => {
    await tx.execute(sql`SELECT pg_advisory_xact_lock(${lockKey})`);
    if (configured) await tx.insert(signingKeys).values(configured).onConflictDoNothing();
    const stored = await readKeys(tx);
    const all = stored.length > 0 ? stored : [await insertRandomKey(tx)];
    const current = all.find(({ id }) => id === configured?.id) ?? (all[0] as SigningKey);
    return { current, all };
  });
}

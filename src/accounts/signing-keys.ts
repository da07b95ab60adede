import { createHash, randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import type { Database, Queryable, Transaction } from "../database/client.ts";
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

interface StoredKey extends SigningKey {
  readonly signs: boolean;
  readonly inForce: boolean;
}

/** What readers of the keys listen to: somebody changed them. */
export const keysChannel = "trailglass_keys";

/** Any number will do, as long as every version of the program uses the same: the letters "keys". */
const lockKey = 0x6b657973;

/**
 * Seconds for which a key verifies after the last token that it signed has run out: one minute until every server has
 * read the new key also where it hears nothing, the rest for clocks that differ.
 */
const marginSeconds = 600;

/** The key that JWT_SECRET stands for. Its id follows from it, so that every server names it alike. */
function configuredKey(jwtSecret: string): SigningKey {
  const digest = createHash("sha256").update("trailglass signing key id\n").update(jwtSecret).digest("hex");
  return { id: `env-${digest.slice(0, 16)}`, secret: Buffer.from(jwtSecret) };
}

/** Every key that is known, the newest first; also those that have ended. */
async function readKeys(db: Queryable): Promise<StoredKey[]> {
  return db
    .select({
      id: signingKeys.id,
      secret: signingKeys.secret,
      signs: sql<boolean>`${signingKeys.retiredAt} IS NULL`,
      inForce: sql<boolean>`coalesce(${signingKeys.retiredAt} > now(), true)`,
    })
    .from(signingKeys)
    .orderBy(sql`${signingKeys.createdAt} DESC`, signingKeys.id);
}

/** Of whoever changes the keys, one does so at a time. Reading them waits for nobody. */
export async function lockKeys(tx: Transaction): Promise<void> {
  await tx.execute(sql`SELECT pg_advisory_xact_lock(${lockKey})`);
}

/** Makes a random key that signs. */
export async function insertRandomKey(tx: Transaction): Promise<void> {
  const key = { id: crypto.randomUUID(), secret: randomBytes(32) };
  await tx.insert(signingKeys).values({ ...key, createdAt: sql`clock_timestamp()` });
}

/** Notes JWT_SECRET's key, which then signs, unless it was known: one that has ended stays so. @returns whether it is new */
export async function insertConfiguredKey(tx: Transaction, jwtSecret: string): Promise<boolean> {
  const inserted = await tx
    .insert(signingKeys)
    .values({ ...configuredKey(jwtSecret), createdAt: sql`clock_timestamp()` })
    .onConflictDoNothing()
    .returning({ id: signingKeys.id });
  return inserted.length > 0;
}

/**
 * Ends the keys that sign when their last tokens have run out. The database's clock counts: it is one for all servers.
 * @param accessTokenSeconds life of an access token
 * @param keyId a key that goes on
 */
export async function retireKeys(tx: Transaction, accessTokenSeconds: number, keyId = ""): Promise<void> {
  await tx
    .update(signingKeys)
    .set({ retiredAt: sql`clock_timestamp() + make_interval(secs => ${accessTokenSeconds + marginSeconds})` })
    .where(sql`${signingKeys.retiredAt} IS NULL AND ${signingKeys.id} <> ${keyId}`);
}

/** Ends all keys at once, also those that were to verify for a while. */
export async function endKeys(tx: Transaction): Promise<void> {
  await tx
    .update(signingKeys)
    .set({ retiredAt: sql`now()` })
    .where(sql`coalesce(${signingKeys.retiredAt} > now(), true)`);
}

/** Days for which a key that has ended is kept: whoever looks into a token of last month finds what signed it. */
const keptDays = 30;

/** Forgets keys that ended long ago. JWT_SECRET's leave their name behind, by which they are known and stay ended. */
export async function forgetKeys(tx: Transaction): Promise<void> {
  const ended = sql`${signingKeys.retiredAt} < now() - make_interval(days => ${keptDays})`;
  const isConfigured = sql`starts_with(${signingKeys.id}, 'env-')`;
  await tx.delete(signingKeys).where(sql`${ended} AND NOT ${isConfigured}`);
  await tx
    .update(signingKeys)
    .set({ secret: randomBytes(32) })
    .where(sql`${ended} AND ${isConfigured}`);
}

/** Tells all servers, when the transaction commits. */
export async function announceKeys(tx: Transaction): Promise<void> {
  await tx.execute(sql`SELECT pg_notify(${keysChannel}, '')`);
}

export interface KeyOptions {
  readonly jwtSecret: string | undefined;
  /** Life of an access token, in seconds. */
  readonly accessTokenSeconds: number;
}

/** What is ready to be used; undefined while no key signs, or JWT_SECRET's was never noted. */
function usable(stored: readonly StoredKey[], jwtSecret: string | undefined): SigningKeys | undefined {
  const current = stored.find(({ signs }) => signs);
  const isNoted = jwtSecret === undefined || stored.some(({ id }) => id === configuredKey(jwtSecret).id);
  if (!current || !isNoted) return undefined;
  return { current, all: stored.filter(({ inForce }) => inForce) };
}

async function makeKeys(tx: Transaction, { jwtSecret, accessTokenSeconds }: KeyOptions): Promise<void> {
  await lockKeys(tx);
  if (jwtSecret !== undefined && (await insertConfiguredKey(tx, jwtSecret))) {
    await retireKeys(tx, accessTokenSeconds, configuredKey(jwtSecret).id);
    await announceKeys(tx);
  }
  if (!(await readKeys(tx)).some(({ signs }) => signs)) await insertRandomKey(tx);
}

/**
 * Reads the keys in force; the newest that nobody retired signs. Where there is none, one is made, under a lock:
 * servers that start at the same time agree on it. A JWT_SECRET that was never seen before takes over as in a rotation.
 */
export async function loadSigningKeys(db: Database, options: KeyOptions): Promise<SigningKeys> {
  const found = usable(await readKeys(db), options.jwtSecret);
  if (found) return found;
  return db.transaction(async (tx) => {
    await makeKeys(tx, options);
    const made = usable(await readKeys(tx), options.jwtSecret);
    if (!made) throw new Error("the signing key is gone as soon as it was made");
    return made;
  });
}

/** Seconds since the key that signs was made; null before the first one. */
export async function readKeyAge(db: Queryable): Promise<number | null> {
  const [row] = await db.execute<{ age: number }>(sql`
    SELECT extract(epoch FROM clock_timestamp() - created_at)::float8 AS age FROM signing_keys
    WHERE retired_at IS NULL ORDER BY created_at DESC, id LIMIT 1`);
  return row?.age ?? null;
}

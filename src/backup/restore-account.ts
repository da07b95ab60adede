import { sql } from "drizzle-orm";
import { migrations } from "../../migrations/index.ts";
import { deleteUser, findUserByEmail, type User } from "../accounts/users.ts";
import type { Database, DatabaseClient, Queryable, Transaction } from "../database/client.ts";
import { requireCurrentSchema } from "../database/migrator.ts";
import { areaOf, newKey } from "../storage/object-key.ts";
import { announce, claimAll } from "../storage/references.ts";
import type { ObjectStorage } from "../storage/storage.ts";
import { counterLift } from "../sync/counter.ts";
import { BackupError } from "./error.ts";
import { dropRestoreSchema, makeRestoreSchema, restoreSchema } from "./exchange-schema.ts";
import { loadTables, type Source, settleRestored } from "./load.ts";
import type { ObjectEntry } from "./manifest.ts";
import type { RestoreReport } from "./restore.ts";
import { restoreObjects } from "./restore-objects.ts";
import { inTurn } from "./restore-turn.ts";
import { tables } from "./tables.ts";
import { chooseWhole } from "./whole.ts";

export interface RestoreAccountParts extends Source {
  readonly database: DatabaseClient;
  readonly storage: ObjectStorage;
  readonly email: string;
  /** An account that has the address, or was this one, is erased. */
  readonly replace: boolean;
  readonly salvage: boolean;
}

/** A key of the backup, and the new one that its bytes get: the old one may be in use, or about to be deleted. */
type NewKeys = ReadonlyMap<string, string>;

/** An account that stands in the way: it has the address, or is the same one as it has become since. */
interface InTheWay extends Record<string, unknown> {
  readonly id: string;
  readonly email: string;
}

async function requireUser(scratch: Database, { email, manifest }: RestoreAccountParts): Promise<User> {
  const user = await findUserByEmail(scratch, email);
  if (!user) throw new BackupError("refused", `The backup ${manifest.id} has no account ${email}`);
  return user;
}

/** @returns whom the account replaces @throws BackupError refused, when nobody may be */
async function makeRoom(db: Queryable, { id, email }: User, replace: boolean): Promise<InTheWay[]> {
  const inTheWay = await db.execute<InTheWay>(
    sql`SELECT id, email FROM users WHERE id = ${id} OR lower(email) = lower(${email}) ORDER BY id <> ${id}`,
  );
  if (inTheWay.length === 0 || replace) return inTheWay;
  const found = inTheWay.map((one) => {
    if (one.id !== id) return `${one.email} is the address of another account now`;
    return one.email === email ? `The account ${email} is there` : `The account is there, as ${one.email}`;
  });
  const them = found.length > 1 ? "both" : "it";
  throw new BackupError(
    "refused",
    `${found.join(", and ")}: --replace erases ${them}, and puts the backup's in its place`,
  );
}

/** Keys that the account's rows name. */
async function listKeys(scratch: Database, { id }: User): Promise<string[]> {
  const rows = await scratch.execute<{ key: string }>(sql`
    SELECT key FROM stored_objects WHERE user_id = ${id}
    UNION ALL SELECT avatar_key FROM users WHERE id = ${id} AND avatar_key IS NOT NULL`);
  return rows.map(({ key }) => key);
}

/** Gives each of those a new one; the rows name the new ones from now on. */
async function giveNewKeys(scratch: Database, user: User): Promise<NewKeys> {
  const keys = new Map((await listKeys(scratch, user)).map((key) => [key, newKey(areaOf(key))]));
  for (const [before, after] of keys) {
    await scratch.execute(sql`UPDATE stored_objects SET key = ${after} WHERE key = ${before}`);
    await scratch.execute(sql`UPDATE users SET avatar_key = ${after} WHERE avatar_key = ${before}`);
  }
  return keys;
}

/** Brings the bytes. Each new key is written down before, so that an attempt that fails leaves nothing for ever. */
async function bringObjects(parts: RestoreAccountParts, keys: NewKeys): Promise<ObjectEntry[]> {
  const objects = parts.manifest.objects.filter(({ key }) => keys.has(key));
  for (const key of keys.values()) await announce(parts.database.db, key);
  await restoreObjects(parts.storage, objects, parts, ({ key }) => keys.get(key) ?? key);
  return objects;
}

/** Holds an account, so that nobody changes it any more. @returns the highest version that its phones may have seen */
async function readCounter(tx: Transaction, id: string): Promise<number> {
  const [row] = await tx.execute<{ version: number }>(
    sql`SELECT version FROM sync_versions WHERE user_id = ${id} FOR UPDATE`,
  );
  return row?.version ?? 0;
}

async function copyRows(tx: Transaction, { id }: User): Promise<number> {
  let rows = 0;
  for (const { name, owner } of tables) {
    if (owner === null) continue;
    const columns = await tx.execute<{ list: string }>(sql`
      SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS list FROM pg_attribute
      WHERE attrelid = to_regclass(${name}) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`);
    const list = sql.raw(columns[0]?.list ?? "");
    const from = sql.raw(`${restoreSchema}.${name}`);
    const copied = await tx.execute(sql`
      INSERT INTO ${sql.identifier(name)} (${list}) SELECT ${list} FROM ${from} WHERE ${sql.identifier(owner)} = ${id}`);
    rows += (copied as unknown as { count: number }).count;
  }
  return rows;
}

/** Versions go on above those that phones may have from the account as it was. */
async function passCounter(tx: Transaction, { id }: User, seen: number): Promise<void> {
  await tx.execute(
    sql`UPDATE sync_versions SET version = ${seen + counterLift} WHERE user_id = ${id} AND version < ${seen}`,
  );
}

/** Puts the account in the place of those in the way, in one transaction. */
async function exchange(parts: RestoreAccountParts, user: User, keys: NewKeys): Promise<number> {
  return parts.database.db.transaction(async (tx) => {
    let seen = 0;
    for (const { id } of await makeRoom(tx, user, parts.replace)) {
      seen = Math.max(seen, await readCounter(tx, id));
      await deleteUser(tx, id);
    }
    const rows = await copyRows(tx, user);
    await passCounter(tx, user, seen);
    if (!(await claimAll(tx, [...keys.values()])))
      throw new BackupError("refused", "Pictures that were just restored are gone again; try once more");
    return rows;
  });
}

/** Fills the schema beside the one in use. @returns the account as it is there, and how many pictures it lacks */
async function load(scratch: DatabaseClient, parts: RestoreAccountParts, missing: readonly string[]) {
  await loadTables(scratch.db, parts);
  const user = await requireUser(scratch.db, parts);
  await makeRoom(parts.database.db, user, parts.replace);
  const named = (await listKeys(scratch.db, user)).length;
  await settleRestored(scratch, parts.manifest, missing);
  return { user, named };
}

async function restoreOne(parts: RestoreAccountParts): Promise<RestoreReport> {
  const { database, manifest } = parts;
  const missing = await chooseWhole(parts);
  await makeRestoreSchema(database.db);
  const scratch = database.inSchema(restoreSchema, 2);
  try {
    const { user, named } = await load(scratch, parts, missing);
    const keys = await giveNewKeys(scratch.db, user);
    const { length: pictures } = await bringObjects(parts, keys);
    const rows = await exchange(parts, user, keys);
    return { id: manifest.id, accounts: 1, rows, pictures, missing: named - pictures };
  } finally {
    await scratch.close(1);
    await dropRestoreSchema(database.db).catch(() => {});
  }
}

/**
 * Brings back one account from a backup; all others are as they were, and the server may run. The account's counter goes on
 * above all that its phones have seen, and has another epoch (sync.md, Restore).
 * @throws BackupError, StorageAwayError, SchemaError, DatabaseUnavailableError; nothing is changed then
 */
export async function restoreAccount(parts: RestoreAccountParts): Promise<RestoreReport> {
  await requireCurrentSchema(parts.database.db, migrations);
  return inTurn(parts.database, () => restoreOne(parts));
}

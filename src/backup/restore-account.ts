import { sql } from "drizzle-orm";
import { migrations } from "../../migrations/index.ts";
import { deleteUser, findUserByEmail, type User } from "../accounts/users.ts";
import type { Database, DatabaseClient, Queryable, Transaction } from "../database/client.ts";
import { requireCurrentSchema } from "../database/migrator.ts";
import { areaOf, newKey } from "../storage/object-key.ts";
import { announce, claimAll } from "../storage/references.ts";
import type { ObjectStorage } from "../storage/storage.ts";
import { BackupError } from "./error.ts";
import { dropRestoreSchema, makeRestoreSchema, restoreSchema } from "./exchange-schema.ts";
import { counterLift, loadTables, type Source, settleRestored } from "./load.ts";
import type { ObjectEntry } from "./manifest.ts";
import type { RestoreReport } from "./restore.ts";
import { restoreObjects } from "./restore-objects.ts";
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

/** Accounts that stand in the way: with the address, or the same one as it has become since. */
async function findInTheWay(db: Queryable, { id, email }: User): Promise<string[]> {
  const rows = await db.execute<{ id: string }>(
    sql`SELECT id FROM users WHERE id = ${id} OR lower(email) = lower(${email})`,
  );
  return rows.map((row) => row.id);
}

async function requireUser(scratch: Database, { email, manifest }: RestoreAccountParts): Promise<User> {
  const user = await findUserByEmail(scratch, email);
  if (!user) throw new BackupError("refused", `The backup ${manifest.id} has no account ${email}`);
  return user;
}

async function requireRoom(parts: RestoreAccountParts, user: User): Promise<void> {
  const inTheWay = await findInTheWay(parts.database.db, user);
  if (inTheWay.length === 0 || parts.replace) return;
  throw new BackupError(
    "refused",
    `The account ${user.email} is there: --replace erases it, and puts the backup's in its place`,
  );
}

/** Keys that the account's rows name, each with a new one; the rows name those from now on. */
async function giveNewKeys(scratch: Database, user: User): Promise<NewKeys> {
  const rows = await scratch.execute<{ key: string }>(sql`
    SELECT key FROM stored_objects WHERE user_id = ${user.id}
    UNION ALL SELECT avatar_key FROM users WHERE id = ${user.id} AND avatar_key IS NOT NULL`);
  const keys = new Map(rows.map(({ key }) => [key, newKey(areaOf(key))]));
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

/** Versions go on above those that phones may have from the account as it was. */
async function readCounter(tx: Transaction, ids: readonly string[]): Promise<number> {
  let highest = 0;
  for (const id of ids) {
    const [row] = await tx.execute<{ version: number }>(
      sql`SELECT version FROM sync_versions WHERE user_id = ${id} FOR UPDATE`,
    );
    highest = Math.max(highest, row?.version ?? 0);
  }
  return highest;
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

/** Puts the account in the place of those in the way, in one transaction. */
async function exchange(parts: RestoreAccountParts, user: User, keys: NewKeys): Promise<number> {
  return parts.database.db.transaction(async (tx) => {
    const inTheWay = await findInTheWay(tx, user);
    const counter = await readCounter(tx, inTheWay);
    for (const id of inTheWay) await deleteUser(tx, id);
    const rows = await copyRows(tx, user);
    await tx.execute(sql`
      UPDATE sync_versions SET version = greatest(version, ${counter + counterLift}) WHERE user_id = ${user.id}`);
    if (!(await claimAll(tx, [...keys.values()])))
      throw new BackupError("refused", "Pictures that were just restored are gone again; try once more");
    return rows;
  });
}

/**
 * Brings back one account from a backup; all others are as they were, and the server may run. The account's counter goes on
 * above all that its phones have seen, and has another epoch (sync.md, Restore).
 * @throws BackupError, StorageAwayError, SchemaError, or what the database throws; nothing is changed then
 */
export async function restoreAccount(parts: RestoreAccountParts): Promise<RestoreReport> {
  const { database, manifest } = parts;
  await requireCurrentSchema(database.db, migrations);
  const missing = await chooseWhole(parts);
  await makeRestoreSchema(database.db);
  const scratch = database.inSchema(restoreSchema, 2);
  try {
    await loadTables(scratch.db, parts);
    await settleRestored(scratch, manifest, missing);
    const user = await requireUser(scratch.db, parts);
    await requireRoom(parts, user);
    const keys = await giveNewKeys(scratch.db, user);
    const objects = await bringObjects(parts, keys);
    const rows = await exchange(parts, user, keys);
    return {
      id: manifest.id,
      accounts: 1,
      rows,
      pictures: objects.length,
      missing: keys.size - objects.length,
    };
  } finally {
    await scratch.close(1);
    await dropRestoreSchema(database.db).catch(() => {});
  }
}

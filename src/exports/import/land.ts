import { getTableName, type SQL, sql } from "drizzle-orm";
import type { Transaction } from "../../database/client.ts";
import { askForThumbnails } from "../../photos/previews/thumbnails-job.ts";
import { claimAll } from "../../storage/references.ts";
import { counterLift } from "../../sync/counter.ts";
import type { Entity, Registry } from "../../sync/entity.ts";
import { leavesOf } from "../../sync/rows.ts";
import { largestGiven, largestLift } from "../../sync/schemas.ts";
import { type Importer, readVersion, requireUnused } from "./empty-account.ts";
import { ImportError } from "./import-error.ts";
import { stampColumns } from "./shelf.ts";
import type { Shelves } from "./stage-rows.ts";

/** What waits on the shelves, and goes into the account's tables all at once. */
export interface Landing extends Importer {
  readonly registry: Registry;
  readonly shelves: Shelves;
  /** The newest version that the exported account had given out. */
  readonly syncVersion: number;
  readonly pictureKeys: readonly string[];
  readonly avatarKey: string | null;
}

const rowsIn = (result: unknown): number => (result as { count: number }).count;
const stamps = ["id", ...stampColumns.map(([name]) => name)];

/** Rows of a shelf into a table that has columns of the same names. @returns how many */
async function pour(
  tx: Transaction,
  userId: string,
  move: { into: string; from: string; columns: readonly string[]; where?: SQL; orElse?: SQL },
): Promise<number> {
  const { into, from, columns, where = sql`true`, orElse = sql`` } = move;
  const names = sql.raw(columns.map((name) => `"${name}"`).join(", "));
  return rowsIn(
    await tx.execute(sql`
    INSERT INTO ${sql.identifier(into)} (user_id, ${names})
    SELECT ${userId}::uuid, ${names} FROM ${sql.raw(`pg_temp.${from}`)} WHERE ${where} ${orElse}`),
  );
}

async function landEntities(tx: Transaction, { userId, shelves }: Landing, entity: Entity): Promise<number> {
  const into = getTableName(entity.table);
  const leaves = leavesOf(entity.fields).map(({ column }) => column.name);
  const live = { into, from: shelves[entity.kind].table, columns: [...stamps, ...leaves] };
  const kept = [...stamps, "deleted_at", ...(entity.keptOnDeletion ?? [])];
  const where = sql`kind = ${entity.kind} AND NOT encrypted`;
  const deleted = { into, from: shelves.deleted.table, columns: kept, where };
  return (await pour(tx, userId, live)) + (await pour(tx, userId, deleted));
}

async function landEnvelopes(tx: Transaction, { userId, shelves }: Landing): Promise<number> {
  const into = "encrypted_sync_data";
  const columns = ["kind", ...stamps];
  const live = {
    into,
    from: shelves.encrypted.table,
    columns: [...columns, "encrypted_data", "encryption_version"],
  };
  const where = sql`encrypted`;
  const deleted = { into, from: shelves.deleted.table, columns: [...columns, "deleted_at"], where };
  return (await pour(tx, userId, live)) + (await pour(tx, userId, deleted));
}

/** A device that has signed in to the account already is as it is, but for what it lacks of the account as it was. */
async function landDevices(tx: Transaction, { userId, shelves }: Landing): Promise<number> {
  const { table: from, columns } = shelves.devices;
  const names = columns.map(([name]) => name);
  const orElse = sql`ON CONFLICT (user_id, device_id) DO UPDATE SET
    clear_since = least(devices.clear_since, EXCLUDED.clear_since),
    void_cursor = coalesce(devices.void_cursor, EXCLUDED.void_cursor)`;
  // As \`WHERE ...\` tells Postgres, what follows is no condition of a join.
  return pour(tx, userId, { into: "devices", from, columns: names, orElse });
}

async function landRest(tx: Transaction, { userId, shelves }: Landing): Promise<number> {
  const all = (into: string, { table, columns }: Landing["shelves"]["conflicts"]) =>
    pour(tx, userId, { into, from: table, columns: columns.map(([name]) => name) });
  return (await all("trip_members", shelves.tripMembers)) + (await all("sync_conflicts", shelves.conflicts));
}

/** Photos show the pictures that were brought; the same bytes are there once. */
async function landPictures(tx: Transaction, { userId, pictureKeys }: Landing): Promise<void> {
  await tx.execute(sql`
    INSERT INTO stored_objects (user_id, sha256, key, size, media_type, facts, stored_at)
    SELECT ${userId}::uuid, decode(p.sha256, 'hex'), p.key, p.size, p.media_type, p.facts, min(f.file_stored_at)
    FROM pg_temp.import_pictures p JOIN pg_temp.import_photos f ON f.file_sha256 = p.sha256
    GROUP BY p.sha256, p.key, p.size, p.media_type, p.facts`);
  await tx.execute(sql`
    INSERT INTO photo_files (user_id, photo_id, sha256, said, attached_at)
    SELECT ${userId}::uuid, f.id, decode(p.sha256, 'hex'), f.file_said, f.file_attached_at
    FROM pg_temp.import_photos f JOIN pg_temp.import_pictures p ON p.sha256 = f.file_sha256
    WHERE f.file_path IS NOT NULL`);
  for (const key of pictureKeys) await askForThumbnails(tx, userId, key);
}

/** @returns keys that came to be referred to */
async function landAvatar(tx: Transaction, { userId, avatarKey }: Landing): Promise<string[]> {
  if (avatarKey === null) return [];
  const set = await tx.execute(sql`
    UPDATE users SET avatar_key = ${avatarKey}, updated_at = now()
    WHERE id = ${userId} AND avatar_key IS NULL RETURNING id`);
  return set.length > 0 ? [avatarKey] : [];
}

/** The highest of all versions that anything on the shelves tells of, and that a counter may come to. */
async function highestVersion(tx: Transaction, { shelves, syncVersion }: Landing): Promise<number> {
  const versions = Object.values(shelves).flatMap(({ table, columns }) => {
    const names = columns.filter(
      ([name, type]) => type === "bigint" && /version|cursor|since|answer/.test(name),
    );
    const told = names.filter(([name]) => name !== "local_version").map(([name]) => name);
    // A cursor from elsewhere is as large as its phone said.
    const most = (name: string) => (name === "void_cursor" ? largestLift : largestGiven);
    return told.map((name) =>
      sql.raw(`SELECT max(${name}) AS version FROM pg_temp.${table} WHERE ${name} <= ${most(name)}`),
    );
  });
  const stamped = sql.raw(`SELECT max((stamp ->> 'version')::bigint) FROM pg_temp.${shelves.settings.table},
    jsonb_path_query(group_stamps, '$.*') AS stamp`);
  const [row] = await tx.execute<{ version: number | null }>(
    sql`SELECT max(version) AS version FROM (${sql.join([...versions, stamped], sql` UNION ALL `)}) told`,
  );
  return Math.max(syncVersion, row?.version ?? 0);
}

/** Whatever comes now is above all that phones of the exported account have seen; those that know of epochs begin anew. */
async function liftCounter(tx: Transaction, landing: Landing, own: number): Promise<void> {
  const version = Math.max(await highestVersion(tx, landing), own) + counterLift;
  await tx.execute(sql`
    UPDATE sync_versions SET version = ${version}, epoch = gen_random_uuid(),
      has_envelopes = has_envelopes OR EXISTS (SELECT FROM encrypted_sync_data WHERE user_id = ${landing.userId})
    WHERE user_id = ${landing.userId}`);
}

/**
 * Puts everything into the account. Its counter is locked first, as by every writer: phones wait until all of it is there.
 * @returns rows that were written
 * @throws ImportError refused, when the account is not what it was when the import began
 */
export async function land(tx: Transaction, landing: Landing): Promise<number> {
  const { registry, userId, pictureKeys } = landing;
  const own = await readVersion(tx, userId, true);
  await requireUnused(tx, registry, landing, own);
  let rows = await landDevices(tx, landing);
  for (const entity of registry) rows += await landEntities(tx, landing, entity);
  rows += await landEnvelopes(tx, landing);
  rows += await landRest(tx, landing);
  await landPictures(tx, landing);
  const claimed = [...pictureKeys, ...(await landAvatar(tx, landing))];
  if (!(await claimAll(tx, claimed)))
    throw new ImportError("refused", "Pictures that were just copied are gone again; try once more");
  await liftCounter(tx, landing, own ?? 0);
  return rows;
}

import { type SQL, sql } from "drizzle-orm";
import type { Transaction } from "../../database/client.ts";
import { kinds } from "../../sync/entity.ts";
import { jsonFileName } from "../json/files.ts";
import { type Dataset, datasets } from "../sources.ts";
import type { Problems } from "./problems.ts";
import type { Shelves } from "./stage-rows.ts";

/** Rows that do not go with others: which, and why. */
interface Check {
  readonly message: string;
  /** SQL of `dataset` and `place`. */
  readonly misfits: SQL;
}

/** All but the first of those rows that are the same in something. */
const repeated = (rows: SQL, same: string): SQL => sql`
  SELECT dataset, place FROM (
    SELECT dataset, place, row_number() OVER (PARTITION BY ${sql.raw(same)} ORDER BY dataset, place) AS number
    FROM (${rows}) rows) numbered WHERE number > 1`;

/** Columns of a shelf, as `dataset`, `place` and themselves. */
const rowsOf = (shelves: Shelves, dataset: Dataset, columns: string, where = "true"): SQL =>
  sql.raw(
    `SELECT '${dataset}' AS dataset, place, ${columns} FROM pg_temp.${shelves[dataset].table} WHERE ${where}`,
  );

const union = (parts: readonly SQL[]): SQL => sql.join([...parts], sql` UNION ALL `);

/** Every entity, whether it stands in clear, as an envelope, or is deleted. */
function entities(shelves: Shelves, columns: string): SQL {
  const live = kinds.map((kind) => rowsOf(shelves, kind, `'${kind}' AS kind, ${columns}`));
  const others = (["encrypted", "deleted"] as const).map((dataset) =>
    rowsOf(shelves, dataset, `kind, ${columns}`),
  );
  return union([...live, ...others]);
}

/**
 * What the database would refuse, and what it would take to the phones' harm: changes are handed out in pages that are cut at
 * a version, so of two under one version the second could be passed over.
 */
function checksOf(shelves: Shelves): Check[] {
  const rows = (dataset: Dataset, columns: string, where?: string) =>
    rowsOf(shelves, dataset, columns, where);
  return [
    { message: "is there twice", misfits: repeated(rows("devices", "device_id"), "device_id") },
    { message: "its id is there twice", misfits: repeated(entities(shelves, "id"), "kind, id") },
    {
      message: "serverVersion: another row has the same",
      misfits: repeated(entities(shelves, "server_version"), "server_version"),
    },
    {
      message: "is the same point as another row",
      misfits: repeated(
        rows("locations", "timestamp, device_id, latitude, longitude"),
        "timestamp, device_id, latitude, longitude",
      ),
    },
    {
      message: "is there twice",
      misfits: repeated(
        rows("tripMembers", "trip_id, member_kind, member_id"),
        "trip_id, member_kind, member_id",
      ),
    },
    { message: "its id is there twice", misfits: repeated(rows("conflicts", "id"), "id") },
    {
      message: "another open conflict is about the same entity and device",
      misfits: repeated(
        rows("conflicts", "device_id, kind, entity_id", "status = 'open'"),
        "device_id, kind, entity_id",
      ),
    },
  ];
}

interface Misfit extends Record<string, unknown> {
  readonly dataset: Dataset;
  readonly place: number;
}

async function leaveOut(tx: Transaction, shelves: Shelves, misfits: readonly Misfit[]): Promise<void> {
  for (const dataset of datasets) {
    const places = misfits.filter((one) => one.dataset === dataset).map(({ place }) => place);
    if (places.length === 0) continue;
    const table = sql.raw(`pg_temp.${shelves[dataset].table}`);
    await tx.execute(sql`DELETE FROM ${table} WHERE place = ANY (${`{${places.join(",")}}`}::integer[])`);
  }
}

/** The first row of each device that writes, and is not listed. */
async function findStrangers(tx: Transaction, shelves: Shelves): Promise<(Misfit & { id: string })[]> {
  const writers = union([entities(shelves, "device_id"), rowsOf(shelves, "conflicts", "kind, device_id")]);
  return tx.execute<Misfit & { id: string }>(sql`
    SELECT DISTINCT ON (device_id) device_id AS id, dataset, place FROM (${writers}) writers
    WHERE device_id IS NOT NULL AND device_id NOT IN (SELECT device_id FROM pg_temp.import_devices)
    ORDER BY device_id, dataset, place`);
}

/** Devices that nothing is known of but that they wrote. */
async function standIn(tx: Transaction, ids: readonly string[]): Promise<void> {
  await tx.execute(sql`
    INSERT INTO pg_temp.import_devices (device_id, device_name, platform, os_version, app_version, registered_at, sync_version)
    SELECT id, 'Unknown', 'Unknown', '', '', now(), 0 FROM unnest(${`{${ids.join(",")}}`}::uuid[]) AS id`);
}

/** Checks what rows are to each other. What does not fit is left out where the archive is salvaged. */
export async function checkTogether(tx: Transaction, shelves: Shelves, problems: Problems): Promise<void> {
  for (const { message, misfits } of checksOf(shelves)) {
    const found = await tx.execute<Misfit>(sql`${misfits} ORDER BY dataset, place`);
    for (const { dataset, place } of found)
      problems.add({ file: jsonFileName(dataset), row: place, message });
    await leaveOut(tx, shelves, found);
  }
  const strangers = await findStrangers(tx, shelves);
  for (const { dataset, place } of strangers) {
    const message = "deviceId: is of a device that devices.json does not have";
    problems.add({ file: jsonFileName(dataset), row: place, message });
  }
  if (strangers.length > 0)
    await standIn(
      tx,
      strangers.map(({ id }) => id),
    );
  problems.refuse();
}

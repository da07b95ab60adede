import { getTableName, sql } from "drizzle-orm";
import type { Database, Transaction } from "../../database/client.ts";
import type { Previews } from "../../photos/previews/previews.ts";
import type { Spool } from "../../photos/spool.ts";
import { destroy } from "../../storage/references.ts";
import type { ObjectStorage } from "../../storage/storage.ts";
import type { Registry } from "../../sync/entity.ts";
import type { ExportManifest } from "../json/manifest-schema.ts";
import type { ExportProgress } from "../progress.ts";
import { bringAvatar } from "./bring-avatar.ts";
import { bringPictures } from "./bring-pictures.ts";
import { checkTogether } from "./cross-checks.ts";
import { taken } from "./database-refusals.ts";
import { type Importer, readVersion, requireUnused } from "./empty-account.ts";
import { ImportArchive } from "./import-archive.ts";
import { land } from "./land.ts";
import { type Problem, Problems } from "./problems.ts";
import { manifestName, readImportManifest } from "./read-manifest.ts";
import { createShelves, stageRows } from "./stage-rows.ts";

/** What an import works with. */
export interface ImportParts {
  readonly db: Database;
  readonly registry: Registry;
  readonly storage: ObjectStorage;
  readonly spool: Spool;
  readonly previews: Pick<Previews, "shrink">;
}

export interface ImportOrder extends Importer {
  /** The archive. */
  readonly path: string;
  /** What is damaged is left out, instead of being a reason to refuse the whole. */
  readonly salvage: boolean;
  readonly progress?: ExportProgress | undefined;
}

export interface ImportReport {
  readonly exportedAt: string;
  /** Null for a whole account. */
  readonly range: ExportManifest["range"];
  readonly rows: number;
  readonly pictures: number;
  /** Photos whose pictures are not in the archive, and were not lost in it: it says so itself. */
  readonly withoutPicture: number;
  /** What was left out: how much, and the first of it. */
  readonly leftOut: number;
  readonly problems: readonly Problem[];
}

async function countWithout(tx: Transaction, { missing }: ExportManifest): Promise<number> {
  const paths = JSON.stringify(missing.map(({ path }) => path));
  const [row] = await tx.execute<{ photos: number }>(sql`
    SELECT count(*) AS photos FROM pg_temp.import_photos
    WHERE file_sha256 IS NOT NULL AND (file_path IS NULL
      OR file_path IN (SELECT jsonb_array_elements_text(${paths}::text::jsonb)))`);
  return row?.photos ?? 0;
}

/** One import, from the first look to the last row. */
class Importing {
  readonly #problems: Problems;
  /** Everything that was stored, and that nothing refers to yet. */
  readonly #keys: string[] = [];

  constructor(
    private readonly parts: ImportParts,
    private readonly order: ImportOrder,
    private readonly archive: ImportArchive,
    private readonly manifest: ExportManifest,
  ) {
    this.#problems = new Problems(order.salvage);
  }

  async run(): Promise<ImportReport> {
    const { db, registry } = this.parts;
    const { order } = this;
    await requireUnused(db, registry, order, await readVersion(db, order.userId, false));
    try {
      return await taken(() => db.transaction((tx) => this.#transfer(tx)));
    } catch (error) {
      await this.#letGo();
      throw error;
    }
  }

  /**
   * Rows wait in tables of this transaction until all that can be wrong with them is known, and pictures are where they
   * belong; only then the account is locked. Until it commits there is nothing to be seen.
   */
  async #transfer(tx: Transaction): Promise<ImportReport> {
    // The storage may be slow, and so may the disk.
    await tx.execute(sql`SELECT set_config('statement_timeout', '0', true),
      set_config('idle_in_transaction_session_timeout', '0', true)`);
    const { archive, manifest, order } = this;
    const { registry } = this.parts;
    const problems = this.#problems;
    const shelves = createShelves(registry);
    const reading = {
      ...this.parts,
      archive,
      manifest,
      problems,
      progress: order.progress,
      userId: order.userId,
    };
    await stageRows(tx, shelves, reading);
    await checkTogether(tx, shelves, problems);
    const withoutPicture = await countWithout(tx, manifest);
    const pictureKeys: string[] = [];
    await bringPictures(tx, reading, (key) => {
      pictureKeys.push(key);
      this.#keys.push(key);
    });
    const avatarKey = await bringAvatar(reading, this.parts.previews);
    if (avatarKey !== null) this.#keys.push(avatarKey);
    problems.refuse();
    order.progress?.begin("Writing the journal");
    const { syncVersion, exportedAt, range } = manifest;
    const rows = await land(tx, { ...order, registry, shelves, syncVersion, pictureKeys, avatarKey });
    const { count: leftOut, told } = problems;
    return { exportedAt, range, rows, pictures: pictureKeys.length, withoutPicture, leftOut, problems: told };
  }

  /** What was stored for nothing goes at once; what cannot be deleted now waits for the sweeper. */
  async #letGo(): Promise<void> {
    const { db, storage } = this.parts;
    for (const key of this.#keys) await destroy(db, storage, key).catch(() => {});
  }
}

/** Postgres is told what there is now: what it believes of tables that have grown so much would make phones wait. */
async function analyze({ db, registry }: ImportParts): Promise<void> {
  const tables = registry.map(({ table }) => getTableName(table)).join(", ");
  await db.execute(sql.raw(`ANALYZE ${tables}, encrypted_sync_data, trip_members`));
}

/**
 * Brings the file of an export into an account that is empty, as a restore brings back an account from a backup: with the
 * ids, versions and times that everything had, under a counter above all of these and another epoch (sync.md, Restore).
 * The file is believed in nothing. The server may run.
 * @throws ImportError, StorageAwayError, DatabaseUnavailableError, the progress' own error; nothing is changed then
 */
export async function importAccount(parts: ImportParts, order: ImportOrder): Promise<ImportReport> {
  const archive = await ImportArchive.open(order.path, manifestName);
  try {
    const manifest = await readImportManifest(archive);
    const report = await new Importing(parts, order, archive, manifest).run();
    // Everything is there by now; Postgres finds out by itself, too, if later.
    await analyze(parts).catch(() => {});
    return report;
  } finally {
    archive.close();
  }
}

import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Transaction } from "../../database/client.ts";
import { copyIn } from "../../database/copy.ts";
import type { Content, Registry } from "../../sync/entity.ts";
import { jsonFileName } from "../json/files.ts";
import type { ExportManifest } from "../json/manifest-schema.ts";
import { rowSchemas } from "../json/row-schemas.ts";
import type { ExportProgress } from "../progress.ts";
import { type Dataset, datasets, entityOf } from "../sources.ts";
import { deviceShelf, envelopeShelf, memberShelf, tombstoneShelf } from "./account-shelves.ts";
import { conflictShelf } from "./conflict-shelf.ts";
import { copyLine } from "./copy-text.ts";
import { entityShelf } from "./entity-shelves.ts";
import { DamagedEntry, type ImportArchive } from "./import-archive.ts";
import { MalformedList, objectTexts } from "./json-array.ts";
import { fitting, parsePlain, Unfit } from "./plain-values.ts";
import type { Problems } from "./problems.ts";
import type { Shelf } from "./shelf.ts";

/** Bytes of a row at most. The longest that a server can write are conflicts about trips with tens of thousands of ids. */
const longestRow = 8 * 1024 * 1024;

export type Shelves = Readonly<Record<Dataset, Shelf>>;

export function createShelves(registry: Registry): Shelves {
  const shelf = (dataset: Dataset): Shelf => {
    if (dataset === "devices") return deviceShelf;
    if (dataset === "tripMembers") return memberShelf;
    if (dataset === "encrypted") return envelopeShelf(registry);
    if (dataset === "conflicts") return conflictShelf(registry);
    if (dataset === "deleted") return tombstoneShelf(registry);
    return entityShelf(entityOf(registry, dataset));
  };
  return Object.fromEntries(datasets.map((dataset) => [dataset, shelf(dataset)])) as Record<Dataset, Shelf>;
}

/** The format's own schema of a dataset. */
class RowForm {
  readonly #keys: number;
  readonly #loose: z.ZodObject;

  constructor(private readonly strict: z.ZodObject) {
    this.#keys = Object.keys(strict.shape).length;
    this.#loose = z.object(strict.shape);
  }

  /** Looks for unknown keys by counting: all that are known are there by then, and the library takes twice as long. @throws Unfit */
  require(row: unknown): void {
    fitting(this.#loose, row);
    if (Object.keys(row as Content).length !== this.#keys) fitting(this.strict, row);
  }
}

/** Where rows come from, and who is told of it. */
export interface StageParts {
  readonly archive: ImportArchive;
  readonly manifest: ExportManifest;
  readonly problems: Problems;
  readonly progress?: ExportProgress | undefined;
}

/** One list of an archive on its way to its shelf. */
class Staging {
  /** Rows that were met, whether they fit or not. */
  #rows = 0;
  readonly #file: string;
  readonly #form: RowForm;

  constructor(
    private readonly parts: StageParts,
    dataset: Dataset,
    private readonly shelf: Shelf,
  ) {
    this.#file = jsonFileName(dataset);
    this.#form = new RowForm(rowSchemas[dataset]);
  }

  async run(tx: Transaction): Promise<void> {
    const { archive, manifest } = this.parts;
    if (!archive.has(this.#file)) {
      this.#tell(null, "is missing");
      return;
    }
    const columns = ["place", ...this.shelf.columns.map(([name]) => name)].join(", ");
    await copyIn(tx, `COPY pg_temp.${this.shelf.table} (${columns}) FROM STDIN`, this.#lines());
    const expected = manifest.files[this.#file]?.rows ?? 0;
    if (this.#rows !== expected) this.#tell(null, `has ${this.#rows} rows, and was written with ${expected}`);
  }

  #tell(row: number | null, message: string): void {
    this.parts.problems.add({ file: this.#file, row, message });
  }

  /** What cannot be read ends the list: rows before it may still be had. */
  async *#lines(): AsyncGenerator<Uint8Array> {
    try {
      for await (const texts of objectTexts(this.#pieces(), longestRow)) {
        const lines = texts.map((text) => this.#line(text)).join("");
        if (lines !== "") yield Buffer.from(lines);
      }
    } catch (error) {
      if (error instanceof MalformedList) this.#tell(error.row, error.message);
      else if (error instanceof DamagedEntry) this.#tell(null, error.message);
      else throw error;
    }
  }

  async *#pieces(): AsyncGenerator<Uint8Array> {
    for await (const piece of this.parts.archive.read(this.#file)) {
      yield piece;
      this.parts.progress?.advance(piece.byteLength);
    }
  }

  /** A row for COPY; nothing for one that does not fit. */
  #line(text: string): string {
    this.#rows++;
    try {
      const row = parsePlain(text) as Content;
      this.#form.require(row);
      return copyLine([this.#rows, ...this.shelf.read(row)]);
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      this.#tell(this.#rows, error.message);
      return "";
    }
  }
}

/** Makes the shelves; they go when the transaction ends. */
async function makeShelves(tx: Transaction, shelves: Shelves): Promise<void> {
  for (const { table, columns } of Object.values(shelves)) {
    const list = columns.map(([name, type]) => `${name} ${type}`).join(", ");
    await tx.execute(sql.raw(`CREATE TEMP TABLE ${table} (place integer, ${list}) ON COMMIT DROP`));
  }
}

/** Reads all lists of an archive, each row by all rules that a row can be checked by alone. */
export async function stageRows(tx: Transaction, shelves: Shelves, parts: StageParts): Promise<void> {
  const bytes = datasets.reduce((sum, dataset) => sum + parts.archive.sizeOf(jsonFileName(dataset)), 0);
  parts.progress?.begin("Reading the journal", bytes);
  await makeShelves(tx, shelves);
  for (const dataset of datasets) await new Staging(parts, dataset, shelves[dataset]).run(tx);
  for (const { table } of Object.values(shelves)) await tx.execute(sql.raw(`ANALYZE pg_temp.${table}`));
}

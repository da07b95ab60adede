import type { Database } from "../database/client.ts";
import type { Fingerprint } from "../storage/fingerprint.ts";
import type { ObjectStorage } from "../storage/storage.ts";
import type { Registry } from "../sync/entity.ts";
import { Archive, textContent } from "./archive.ts";
import type { ExportFormat } from "./format-names.ts";
import { filesOf } from "./formats.ts";
import { describeFiles } from "./json/files.ts";
import { jsonManifest } from "./json/manifest.ts";
import { addAvatar, addPictures, type MissingPicture } from "./pictures.ts";
import type { ExportProgress } from "./progress.ts";
import { type ExportSummary, readme } from "./readme.ts";
import { type ExportedAccount, type Picture, Snapshot, type SnapshotOptions } from "./snapshot.ts";

/** Where an export comes from. */
export interface ExportSource {
  readonly db: Database;
  readonly registry: Registry;
  readonly storage: ObjectStorage;
}

/** What is wanted. */
export interface ExportOrder extends SnapshotOptions {
  readonly format: ExportFormat;
}

export interface ExportRun {
  /** Takes the file as it is made; what it throws breaks it off. */
  readonly take: (bytes: ReadableStream<Uint8Array>) => Promise<void>;
  /** Breaks it off. */
  readonly signal: AbortSignal;
  readonly progress?: ExportProgress;
}

const avatarName = "profile.jpg";

/** What is known once all rows are read. */
interface Read {
  readonly account: ExportedAccount;
  readonly counts: ExportSummary["counts"];
  readonly pictures: readonly Picture[];
}

/** Writes an archive of an account. */
class Writing {
  readonly #archive = new Archive();

  constructor(
    private readonly source: ExportSource,
    private readonly order: ExportOrder,
    private readonly run: ExportRun,
  ) {}

  async all(): Promise<Fingerprint & { summary: ExportSummary }> {
    const { signal, take } = this.run;
    const archive = this.#archive;
    const abort = () => archive.fail(signal.reason);
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    const fail = (error: unknown) => archive.fail(error);
    const filling = this.#fill();
    await Promise.all([filling.catch(fail), take(archive.bytes).catch(fail)]);
    signal.removeEventListener("abort", abort);
    if (archive.failure !== undefined) throw archive.failure;
    return { ...archive.fingerprint(), summary: await filling };
  }

  async #fill(): Promise<ExportSummary> {
    const read = await Snapshot.read(this.source, this.order, (snapshot) => this.#addRows(snapshot));
    const { account, pictures } = read;
    const missing = await this.#addPictures(read);
    const { format } = this.order;
    const facts = { ...read, format, options: this.order, missing, pictures: pictures.length };
    if (format === "JSON") {
      await this.#addText("export.json", jsonManifest(facts, pictures, avatarName), account);
      await this.#addText("schema.json", describeFiles(), account);
    }
    await this.#addText("README.txt", readme(facts), account);
    await this.#archive.end();
    return facts;
  }

  async #addRows(snapshot: Snapshot): Promise<Read> {
    const { account, counts } = snapshot;
    this.run.progress?.begin("Writing the journal");
    for (const { name, content } of filesOf[this.order.format]) {
      await this.#archive.add({ name, date: account.exportedAt }, content(snapshot));
      this.run.progress?.advance(0);
    }
    const pictures = this.order.includePhotos ? await Array.fromAsync(snapshot.pictures()) : [];
    return { account, counts, pictures };
  }

  /** The rows are read by now: no transaction waits for pictures, whose bytes stay for a day even when they are deleted. */
  async #addPictures({ account, pictures }: Read): Promise<MissingPicture[]> {
    if (!this.order.includePhotos) return [];
    const { storage } = this.source;
    const { progress } = this.run;
    const missing = await addPictures({ storage, progress }, this.#archive, pictures, account.exportedAt);
    if (account.avatarKey === null) return missing;
    const file = { name: avatarName, date: account.exportedAt };
    if (await addAvatar(storage, this.#archive, account.avatarKey, file)) return missing;
    return [...missing, { path: avatarName, photoId: null, problem: "missing" }];
  }

  #addText(name: string, text: string, { exportedAt: date }: ExportedAccount): Promise<void> {
    return this.#archive.add({ name, date }, textContent(text));
  }
}

/**
 * Writes an account's journal into one zip file, while somebody takes it: neither the file nor what goes into it is ever held
 * as a whole. All rows are as of one moment.
 * @returns what was written
 * @throws the signal's reason, what taking it throws, StorageAwayError, 404 when the account is gone
 */
export function writeExport(
  source: ExportSource,
  order: ExportOrder,
  run: ExportRun,
): Promise<Fingerprint & { summary: ExportSummary }> {
  return new Writing(source, order, run).all();
}

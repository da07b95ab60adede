import { Garbage } from "../garbage.ts";
import { forEachAtOnce } from "../storage/at-once.ts";
import { codeOf } from "../storage/disk-errors.ts";
import { type Fingerprint, fingerprintOf, isSame } from "../storage/fingerprint.ts";
import { RowsSeen } from "./dump.ts";
import { BackupError } from "./error.ts";
import type { BackupFiles } from "./files.ts";
import { listSnapshots, type Manifest, manifestName, readManifest } from "./manifest.ts";
import type { BackupProgress } from "./progress.ts";
import { type Packed, packedEnv, packedObject, packedTable, unpack } from "./read-snapshot.ts";
import { keyFile, keyFilesOf, type Unsealing } from "./sealing.ts";

/** A file that is not what was written. */
export interface Damage {
  readonly name: string;
  readonly kind: "missing" | "damaged";
  /** In plain words. */
  readonly detail: string;
}

export interface VerifyReport {
  readonly id: string;
  readonly findings: readonly Damage[];
  /** Pictures that the snapshot names. */
  readonly objects: number;
  /** Of all its files. */
  readonly bytes: number;
  /** Whether what is encrypted was decrypted, too; else only the files themselves are as they were written. */
  readonly readSealed: boolean;
}

export interface VerifyOptions {
  readonly key?: Unsealing | null | undefined;
  readonly progress?: BackupProgress | undefined;
}

/** A file to look at. */
interface Part extends Packed {
  /** Of a table. */
  readonly rows?: number;
}

/** Files that are read at once: enough to keep a disk and a network busy. */
const atOnce = 2;

const partsOf = (manifest: Manifest): Part[] => [
  ...manifest.tables.map((entry) => ({ ...packedTable(manifest, entry), rows: entry.rows })),
  ...manifest.objects.map((entry) => packedObject(manifest, entry)),
  ...(manifest.env ? [packedEnv(manifest, manifest.env)] : []),
];

const missing = (name: string): Damage => ({ name, kind: "missing", detail: "it is not there" });
const damaged = (name: string, detail: string): Damage => ({ name, kind: "damaged", detail });

const differs = (name: string, found: Fingerprint, file: Fingerprint): Damage =>
  damaged(
    name,
    found.size === file.size
      ? "other bytes than were written"
      : `${found.size} bytes instead of ${file.size}`,
  );

/** Looks at snapshots that share their pictures: each file is read once. */
class Verification {
  /** What was found of files, by name; of shared ones it is asked again. */
  readonly #seen = new Map<string, Promise<Damage | null>>();
  readonly #garbage = new Garbage();
  #manifests: Promise<Manifest[]> | undefined;

  constructor(
    private readonly files: BackupFiles,
    private readonly options: VerifyOptions,
  ) {}

  async look(id: string): Promise<VerifyReport> {
    const manifest = await this.#open(id);
    if ("kind" in manifest) return { id, findings: [manifest], objects: 0, bytes: 0, readSealed: false };
    const parts = [...new Map(partsOf(manifest).map((part) => [part.name, part])).values()];
    const bytes = parts.reduce((sum, { file }) => sum + file.size, 0);
    this.options.progress?.begin(`Reading the backup ${id}`, bytes, parts.length);
    const found = await this.#lookAtKeys(manifest);
    await forEachAtOnce(parts, atOnce, async (part) => {
      found.push(await this.#lookOnce(part, manifest));
      this.#garbage.note(2 * part.file.size);
      this.options.progress?.advance(part.file.size);
    });
    const findings = found.filter((damage) => damage !== null);
    return {
      id,
      // One that was pruned meanwhile has lost nothing.
      findings: findings.length === 0 || (await this.#isThere(id)) ? findings.sort(byName) : [],
      objects: manifest.objects.length,
      bytes,
      readSealed: !manifest.encryption || Boolean(this.options.key),
    };
  }

  async #open(id: string): Promise<Manifest | Damage> {
    try {
      return await readManifest(this.files, id);
    } catch (error) {
      if (!(error instanceof BackupError) || error.problem !== "damaged") throw error;
      return (await this.#isThere(id))
        ? damaged(manifestName(id), "it is not what its checksum says")
        : missing(manifestName(id));
    }
  }

  async #isThere(id: string): Promise<boolean> {
    return (await listSnapshots(this.files)).includes(id);
  }

  /** Whoever has the private key itself does without the file; whoever has the passphrase does not. */
  async #lookAtKeys({ encryption }: Manifest): Promise<(Damage | null)[]> {
    const keys = await keyFilesOf(encryption);
    return Promise.all(
      keys.map(({ name, file }) => orUnreadable(name, () => lookAtFile(this.files, name, file))),
    );
  }

  #lookOnce(part: Part, manifest: Manifest): Promise<Damage | null> {
    const known = this.#seen.get(part.name);
    const looking = known ?? orUnreadable(part.name, () => this.#lookAt(part, manifest));
    this.#seen.set(part.name, looking);
    return looking;
  }

  async #lookAt(part: Part, { encryption }: Manifest): Promise<Damage | null> {
    const { key = null } = this.options;
    if (!encryption || key !== null) return lookInside(this.files, part, encryption ? key : null);
    const found = await lookAtFile(this.files, part.name, part.file);
    const isOther = found?.kind === "damaged" && (await this.#isOfAnother(part));
    return isOther ? null : found;
  }

  /** An encrypted picture that was copied anew is another file; older snapshots name it as it was. */
  async #isOfAnother({ name }: Part): Promise<boolean> {
    this.#manifests ??= readAll(this.files);
    const named = (await this.#manifests).flatMap(partsOf).filter((part) => part.name === name);
    const body = await this.files.read(name);
    const found = body && (await fingerprintOf(body));
    return found !== null && named.some(({ file }) => isSame(file, found));
  }
}

const byName = (one: Damage, other: Damage) => (one.name < other.name ? -1 : 1);

async function readAll(files: BackupFiles): Promise<Manifest[]> {
  const ids = await listSnapshots(files);
  const read = await Promise.all(ids.map((id) => readManifest(files, id).catch(() => null)));
  return read.filter((manifest) => manifest !== null);
}

/** Compares a file with what was written, whatever is in it. */
async function lookAtFile(files: BackupFiles, name: string, file: Fingerprint): Promise<Damage | null> {
  const body = await files.read(name);
  if (!body) return missing(name);
  const found = await fingerprintOf(body);
  return isSame(found, file) ? null : differs(name, found, file);
}

/** A disk that cannot read a file says so; one that is away altogether is no finding. */
async function orUnreadable(name: string, look: () => Promise<Damage | null>): Promise<Damage | null> {
  try {
    return await look();
  } catch (error) {
    const code = codeOf(error);
    if (error instanceof BackupError && error.problem !== "refused") return damaged(name, error.message);
    if (typeof code !== "string") throw error;
    return damaged(name, `it cannot be read (${code})`);
  }
}

/** Decrypts and decompresses a file, and compares what is in it with what the manifest says. */
async function lookInside(files: BackupFiles, part: Part, key: Unsealing | null): Promise<Damage | null> {
  try {
    const open = await unpack(files, part, key);
    if (!open) return missing(part.name);
    const seen = new RowsSeen();
    for await (const _piece of seen.watch(open.stream)) {
      // Only what it adds up to counts.
    }
    if (part.rows !== undefined && seen.rows !== part.rows)
      return damaged(part.name, `${seen.rows} rows instead of ${part.rows}`);
    const found = open.fileSeen();
    // What is in it is whole: an encrypted picture was copied anew, and is another file.
    return key !== null || isSame(found, part.file) ? null : differs(part.name, found, part.file);
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    return (await lookAtFile(files, part.name, part.file)) ?? damaged(part.name, error.message);
  }
}

/**
 * Reads every file of a snapshot again. With the key, what is in them, too; what is in clear needs none.
 * @throws BackupError refused when a newer program wrote it, unwritable; StorageAwayError
 */
export function verifySnapshot(
  files: BackupFiles,
  id: string,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  return new Verification(files, options).look(id);
}

/** The same for all snapshots, the newest first. */
export async function verifyAll(files: BackupFiles, options: VerifyOptions = {}): Promise<VerifyReport[]> {
  const verification = new Verification(files, options);
  const reports: VerifyReport[] = [];
  for (const id of (await listSnapshots(files)).toReversed()) reports.push(await verification.look(id));
  return reports;
}

/** Whether the file is as it was written that a passphrase opens; without it no passphrase is the right one. */
export async function isKeyWhole(files: BackupFiles, { encryption }: Manifest): Promise<boolean> {
  if (!encryption?.keyFile) return true;
  return (await lookAtFile(files, keyFile, encryption.keyFile)) === null;
}

/**
 * Removes damaged pictures, so that the next backup copies them anew. The lock of the files is held by the caller.
 * @returns names of the files that were removed
 */
export async function removeDamaged(files: BackupFiles, findings: readonly Damage[]): Promise<string[]> {
  const names = findings
    .filter(({ kind, name }) => kind === "damaged" && name.startsWith("objects/"))
    .map(({ name }) => name);
  for (const name of new Set(names)) await files.remove(name);
  return [...new Set(names)];
}

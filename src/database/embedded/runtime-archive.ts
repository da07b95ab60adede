import { basename } from "node:path";
import { enclosedFile } from "../../enclosed.ts";

/** Postgres within the executable: `bin`, `lib` with its links, and `share`, as a tar file that zstd made small. */
export interface RuntimeArchive {
  readonly path: string;
  /** Version, processor and the beginning of the content's SHA-256: another build's may be another. */
  readonly name: string;
}

const FILE = /^postgres-(.+)\.tar\.zst$/;

/** The archive that `bun run build` put into the executable. Undefined in development. */
export function enclosedRuntime(): RuntimeArchive | undefined {
  const path = enclosedFile(FILE);
  const name = path && FILE.exec(basename(path))?.[1];
  return name ? { path, name } : undefined;
}

/** Unpacks into a folder, in memory: some 45 MB for the moment that it takes. */
export async function unpackRuntime(archive: RuntimeArchive, folder: string): Promise<void> {
  const tar = await Bun.zstdDecompress(await Bun.file(archive.path).bytes());
  await new Bun.Archive(tar).extract(folder);
}

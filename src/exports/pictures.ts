import { requireAnswers, whileItAnswers } from "../storage/inspection.ts";
import type { ObjectStorage } from "../storage/storage.ts";
import type { Archive } from "./archive.ts";
import type { ExportProgress } from "./progress.ts";
import type { Picture } from "./snapshot.ts";

/** A picture that is not in an archive, or not as it was stored. */
export interface MissingPicture {
  readonly path: string;
  /** Null for the profile picture. */
  readonly photoId: string | null;
  readonly problem: "missing" | "damaged";
}

/** How often a picture is gone on with from where it broke off. */
const mostAttempts = 3;

/** Bytes of a picture as they lie in the storage. A failure that passes is not noticed. */
class PictureBytes {
  /** That there was nothing to read, or that it could not be read to its end. */
  problem: MissingPicture["problem"] | null = null;
  readonly #hasher = new Bun.CryptoHasher("sha256");
  #read = 0;

  constructor(
    private readonly storage: ObjectStorage,
    private readonly picture: Pick<Picture, "key" | "size" | "sha256">,
  ) {}

  /** Whether there is anything to read. @throws StorageAwayError */
  async isThere(): Promise<boolean> {
    const info = await whileItAnswers(this.storage, () => this.storage.stat(this.picture.key));
    if (info === null) this.problem = "missing";
    return info !== null;
  }

  /** What can be read. @throws StorageAwayError */
  async *pieces(): AsyncGenerator<Uint8Array> {
    for (let attempt = 1; attempt <= mostAttempts; attempt++) {
      try {
        yield* this.#rest();
        break;
      } catch {
        // A storage that is away would make all pictures look damaged.
        await requireAnswers(this.storage);
      }
    }
    if (this.#read !== this.picture.size || this.#hasher.digest("hex") !== this.picture.sha256)
      this.problem = "damaged";
  }

  /** From where the last attempt came to. */
  async *#rest(): AsyncGenerator<Uint8Array> {
    const { key, size } = this.picture;
    if (this.#read >= size) return;
    const object = await this.storage.get(key, { start: this.#read, end: size - 1 });
    if (!object) return;
    const body = object.body instanceof Blob ? object.body.stream() : object.body;
    for await (const piece of body as AsyncIterable<Uint8Array>) {
      this.#hasher.update(piece);
      this.#read += piece.byteLength;
      yield piece;
    }
  }
}

/**
 * Puts pictures into an archive, one at a time. One that cannot be read does not keep the others out.
 * @returns those that are not there, or not whole
 * @throws StorageAwayError, or why the archive is not written any more
 */
export async function addPictures(
  { storage, progress }: { storage: ObjectStorage; progress?: ExportProgress | undefined },
  archive: Archive,
  pictures: readonly Picture[],
  date: string,
): Promise<MissingPicture[]> {
  const missing: MissingPicture[] = [];
  const bytes = pictures.reduce((sum, { size }) => sum + size, 0);
  progress?.begin("Copying pictures", bytes, pictures.length);
  for (const picture of pictures) {
    const { path, photoId, size } = picture;
    const content = new PictureBytes(storage, picture);
    if (await content.isThere()) await archive.add({ name: path, date, isPacked: true }, content.pieces());
    if (content.problem) missing.push({ path, photoId, problem: content.problem });
    progress?.advance(size);
  }
  return missing;
}

/** Puts the profile picture into an archive, of which neither size nor hash is known. @returns whether it is there */
export async function addAvatar(
  storage: ObjectStorage,
  archive: Archive,
  key: string,
  file: { name: string; date: string },
): Promise<boolean> {
  const object = await whileItAnswers(storage, () => storage.get(key));
  if (!object) return false;
  // Small enough to be known to be whole before anything of it is in the archive.
  const bytes = await new Response(object.body).bytes().catch(async () => {
    await requireAnswers(storage);
    return null;
  });
  if (bytes === null) return false;
  await archive.add({ ...file, isPacked: true }, only(bytes));
  return true;
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

import { sniffMediaType } from "../../images/media-type.ts";
import { readFacts } from "../../images/picture-facts.ts";
import type { Previews } from "../../photos/previews/previews.ts";
import { newKey } from "../../storage/object-key.ts";
import { announce } from "../../storage/references.ts";
import type { PictureParts } from "./bring-pictures.ts";
import { DamagedEntry } from "./import-archive.ts";

/** Bytes of a profile picture at most, as phones may send them. */
const maxBytes = 10 * 1024 * 1024;
/** Pixels of the longest edge of one that is kept. */
const edge = 512;

/** Whether it is as this program makes them: small, upright, and silent about where it was taken. */
async function isOurs(bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
  if (sniffMediaType(bytes) !== "image/jpeg") return false;
  const { width = 0, height = 0, ...more } = await readFacts(new Blob([bytes]), "image/jpeg");
  return width > 0 && height > 0 && Math.max(width, height) <= edge && Object.keys(more).length === 0;
}

/**
 * Brings the profile picture into the storage, made anew unless it already is as this program makes them.
 * @returns its key; null when there is none, or it cannot be read, which is told
 */
export async function bringAvatar(
  parts: PictureParts,
  previews: Pick<Previews, "shrink">,
): Promise<string | null> {
  const { archive, manifest, problems, db, storage } = parts;
  const name = manifest.account.photo;
  if (name === null) return null;
  const tell = (message: string) => {
    problems.add({ file: name, row: null, message });
    return null;
  };
  if (!archive.has(name)) return tell("is missing");
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = new Uint8Array(await archive.bytes(name, maxBytes));
  } catch (error) {
    if (!(error instanceof DamagedEntry)) throw error;
    return tell(error.message);
  }
  const picture = (await isOurs(bytes)) ? bytes : await previews.shrink(bytes, edge);
  if (picture === null) return tell("is no picture that can be decoded");
  const key = newKey("avatars");
  await announce(db, key);
  await storage.put(key, new Blob([new Uint8Array(picture)]).stream(), { mediaType: "image/jpeg" });
  return key;
}

import { sql } from "drizzle-orm";
import type { Database } from "../../database/client.ts";
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

/** Segments of a JPEG that only say how it is drawn: JFIF, a colour profile, Adobe's transform, tables, frames. */
const drawing = (kind: number) =>
  kind === 0xe0 || kind === 0xe2 || kind === 0xee || (kind >= 0xc0 && kind <= 0xdd);

/** Whether a JPEG holds a picture and nothing else: no EXIF, no XMP, no comment, and nothing behind its end. */
function isBare(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const last = bytes.byteLength - 2;
  if (last < 4 || view.getUint16(0) !== 0xffd8 || view.getUint16(last) !== 0xffd9) return false;
  for (let at = 2; at + 4 <= last; at += 2 + view.getUint16(at + 2)) {
    const kind = view.getUint8(at + 1);
    if (view.getUint8(at) !== 0xff || !drawing(kind)) return false;
    if (kind === 0xda) return true;
  }
  return false;
}

/** Whether it is as this program makes them: small, upright, and silent about everything else. */
async function isOurs(bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
  if (!isBare(bytes)) return false;
  const { width = 0, height = 0 } = await readFacts(new Blob([bytes]), "image/jpeg");
  return width > 0 && height > 0 && Math.max(width, height) <= edge;
}

async function hasAvatar(db: Database, userId: string): Promise<boolean> {
  const found = await db.execute(sql`SELECT FROM users WHERE id = ${userId} AND avatar_key IS NOT NULL`);
  return found.length > 0;
}

/**
 * Brings the profile picture into the storage, made anew unless it already is as this program makes them.
 * @returns its key; null when there is none, or the account has one, or it cannot be read, which is told
 */
export async function bringAvatar(
  parts: PictureParts,
  previews: Pick<Previews, "shrink">,
): Promise<string | null> {
  const { archive, manifest, problems, db, storage } = parts;
  const name = manifest.account.photo;
  if (name === null || (await hasAvatar(db, parts.userId))) return null;
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

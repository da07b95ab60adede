import { sql } from "drizzle-orm";
import type { Database } from "../database/client.ts";
import { AppError, invalid, unauthorized } from "../errors.ts";
import { sniffedBytes, sniffMediaType } from "../images/media-type.ts";
import { newKey } from "../storage/object-key.ts";
import { announce, claim, release } from "../storage/references.ts";
import type { SignedUrls } from "../storage/signed-urls.ts";
import type { ObjectStorage } from "../storage/storage.ts";
import type { Previews } from "./previews/previews.ts";

/** Bytes of the largest picture that is taken, and of the text that it comes in. */
const maxBytes = 10 * 1024 * 1024;
export const longestAvatarText = Math.ceil(maxBytes / 3) * 4 + 1024;

/** Longest edge in pixels. */
const edge = 512;

function readBase64(text: string): Uint8Array {
  const data = text.replace(/^data:[\w.+/-]*;base64,/, "").replace(/\s+/g, "");
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(data)) throw invalid({ profilePhoto: "must be base64" });
  const bytes = Buffer.from(data, "base64");
  if (bytes.byteLength > maxBytes)
    throw new AppError("PAYLOAD_TOO_LARGE", `The picture is larger than ${maxBytes} bytes`);
  return bytes;
}

export interface AvatarsParts {
  readonly db: Database;
  readonly storage: ObjectStorage;
  readonly previews: Previews;
  readonly signedUrls: SignedUrls;
}

/** Pictures of people. What is kept is made anew from what they send: small, upright, and without where it was taken. */
export class Avatars {
  constructor(private readonly parts: AvatarsParts) {}

  /** A link to the account's picture; null when it has none. */
  async url(userId: string): Promise<string | null> {
    const [user] = await this.parts.db.execute<{ key: string | null }>(
      sql`SELECT avatar_key AS key FROM users WHERE id = ${userId}`,
    );
    if (!user?.key) return null;
    return this.parts.signedUrls.get(user.key, { mediaType: "image/jpeg", fileName: "profile.jpg" });
  }

  /**
   * Sets the account's picture, or takes it away.
   * @param text base64, also as a data URL; an empty one takes the picture away
   * @throws 400 for what is no picture, 413 for too large a one
   */
  async set(userId: string, text: string): Promise<void> {
    const key = text === "" ? null : await this.#store(readBase64(text));
    const { db } = this.parts;
    await db.transaction(async (tx) => {
      const [before] = await tx.execute<{ key: string | null }>(
        sql`SELECT avatar_key AS key FROM users WHERE id = ${userId} FOR NO KEY UPDATE`,
      );
      if (!before) throw unauthorized("This account is gone");
      if (key !== null && !(await claim(tx, key))) throw invalid({ profilePhoto: "has expired" });
      await tx.execute(sql`UPDATE users SET avatar_key = ${key}, updated_at = now() WHERE id = ${userId}`);
      if (before.key) await release(tx, userId, before.key, 1);
    });
  }

  async #store(bytes: Uint8Array): Promise<string> {
    const { db, storage, previews } = this.parts;
    if (!sniffMediaType(bytes.subarray(0, sniffedBytes)))
      throw invalid({ profilePhoto: "must be a JPEG, PNG, WebP, HEIC, HEIF, AVIF or GIF picture" });
    const picture = await previews.shrink(bytes, edge);
    if (!picture) throw invalid({ profilePhoto: "cannot be decoded" });
    const key = newKey("avatars");
    await announce(db, key);
    await storage.put(key, new Blob([picture]).stream(), { mediaType: "image/jpeg" });
    return key;
  }
}

import { createCipheriv, createDecipheriv, createHash } from "node:crypto";

/** Encrypts and opens the rows of a phone in end-to-end mode. All phones of an account share the passphrase. */
export class PhoneCipher {
  readonly #key: Buffer;

  constructor(passphrase: string) {
    this.#key = createHash("sha256").update(passphrase).digest();
  }

  /** `iv:tag:ciphertext` in base64. `seed` names the edit: a repeat must be the same bytes, or it is no repeat. */
  seal(content: unknown, seed: string): string {
    const text = JSON.stringify(content);
    const iv = createHash("sha256").update(seed).update(text).digest().subarray(0, 12);
    const cipher = createCipheriv("aes-256-gcm", this.#key, iv);
    const data = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
    return [iv, cipher.getAuthTag(), data].map((part) => part.toString("base64")).join(":");
  }

  /** @throws when a single byte was changed on the way. */
  open(sealed: string): Record<string, unknown> {
    const [iv, tag, data] = sealed.split(":").map((part) => Buffer.from(part, "base64"));
    if (!iv || !tag || !data) throw new Error("an envelope that is not iv:tag:ciphertext");
    const decipher = createDecipheriv("aes-256-gcm", this.#key, iv);
    decipher.setAuthTag(tag);
    return JSON.parse(Buffer.concat([decipher.update(data), decipher.final()]).toString("utf8"));
  }
}

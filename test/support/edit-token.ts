import { PhoneCipher } from "./phone-cipher.ts";
import type { Kind } from "./phone-content.ts";

let edits = 0;

/** A text that names one edit of one phone, so that it can be recognised wherever it turns up. */
export function newToken(): string {
  edits++;
  return `#${edits.toString(36)}`;
}

/** The same as a latitude, for photos: they have no text of their own that today's app knows. */
export function newPlaceToken(): number {
  edits++;
  return Number(`45.${String(edits).padStart(6, "0")}7`);
}

/** Finds the token of an edit in a row as it travels, or in a conflict's side. */
export type TokenReader = (kind: Kind, row: object) => string | null;

/** Opens envelopes with the passphrase before looking. */
export function tokenReader(passphrase: string | null): TokenReader {
  const cipher = passphrase === null ? null : new PhoneCipher(passphrase);
  return (kind, row) => {
    const sealed = "encryptedData" in row && typeof row.encryptedData === "string" ? row.encryptedData : null;
    const text = JSON.stringify(sealed !== null && cipher ? cipher.open(sealed) : row);
    const pattern = kind === "photos" ? /(?<=latitude\W+)45\.\d{6}7/ : /#[0-9a-z]+/;
    return pattern.exec(text)?.[0] ?? null;
  };
}

import { away, diskFull } from "./away.ts";

/** Codes of a file system that cannot do now what it could a moment ago, or after a hand with its permissions. */
const awayCodes = new Set(["EIO", "EROFS", "EACCES", "EPERM", "EMFILE", "ENFILE", "ESTALE", "ETIMEDOUT"]);

/** What a file system calls its error; undefined for errors of others. */
export const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null)?.code;

/** An error of the file system as the 503 that it means; any other as it is. */
export function toUnavailable(error: unknown): unknown {
  const code = codeOf(error);
  if (code === "ENOSPC" || code === "EDQUOT") return diskFull(error);
  return typeof code === "string" && awayCodes.has(code) ? away(error) : error;
}

import { DatabaseUnavailableError } from "../database/open.ts";
import { isTransient } from "../database/sqlstate.ts";
import { AppError } from "../errors.ts";
import { causeOf } from "./away.ts";
import { type Fingerprint, isSame, readFingerprint } from "./fingerprint.ts";
import type { ObjectStorage } from "./storage.ts";

/** The storage does not answer; the message is for an administrator. Exit code 69. */
export class StorageAwayError extends Error {}

/** What was found of an object that the books have. */
export type Condition =
  | { readonly kind: "whole" | "missing" }
  | { readonly kind: "altered" | "unreadable"; readonly detail: string };

const wordsOf = (error: unknown) => (causeOf(error) as Error).message;

/** After something failed: goes on when the storage works all the same. @throws StorageAwayError */
export async function requireAnswers(storage: ObjectStorage): Promise<void> {
  try {
    await storage.probe();
  } catch (error) {
    throw new StorageAwayError((error as Error).message, { cause: error });
  }
}

/**
 * Tells a storage or a database that is away from other errors.
 * @throws StorageAwayError, DatabaseUnavailableError, or else what the work throws
 */
export async function whileItAnswers<T>(storage: ObjectStorage, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StorageAwayError) throw error;
    await requireAnswers(storage);
    if (isTransient(error)) throw new DatabaseUnavailableError("The database went away; try again");
    if (!(error instanceof AppError) || error.code !== "SERVICE_UNAVAILABLE") throw error;
    throw new StorageAwayError(`The storage was away for a moment (${wordsOf(error)}); try again`, {
      cause: error,
    });
  }
}

function compare(found: Fingerprint | null, expected: Fingerprint): Condition {
  if (found === null) return { kind: "missing" };
  if (isSame(found, expected)) return { kind: "whole" };
  if (found.size === expected.size) return { kind: "altered", detail: "other bytes than were stored" };
  return { kind: "altered", detail: `${found.size} bytes instead of ${expected.size}` };
}

/**
 * Reads an object to its end and compares it with what the books say.
 * @throws StorageAwayError
 */
export async function inspect(
  storage: ObjectStorage,
  key: string,
  expected: Fingerprint,
): Promise<Condition> {
  for (let attempt = 1; ; attempt++) {
    try {
      return compare(await readFingerprint(storage, key), expected);
    } catch (error) {
      await requireAnswers(storage);
      if (attempt === 1) continue;
      // Elsewhere it may be permissions or a disk that stand between a reader and bytes which are as they were.
      const kind = storage.backend === "database" ? "altered" : "unreadable";
      return { kind, detail: wordsOf(error) };
    }
  }
}

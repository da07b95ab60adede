import { z } from "zod";
import type { Transaction } from "../database/client.ts";
import { defineJob, type JobKind } from "../jobs/job.ts";
import type { Log } from "../log.ts";
import type { Fingerprint } from "../storage/fingerprint.ts";
import { newKey } from "../storage/object-key.ts";
import { announce, announceAgain, claim, destroy } from "../storage/references.ts";
import { sumOfPictures } from "./estimate.ts";
import { beginExport, completeExport, type ExportRequest, failExport, hasKey } from "./export-rows.ts";
import type { ExportFormat } from "./format-names.ts";
import type { ExportSource } from "./write-export.ts";

/** What the job is called that makes an export. */
export const exportJob = "export";

const payload = z.object({ userId: z.uuid(), exportId: z.uuid() });
type Wanted = z.infer<typeof payload>;

/** An export that is there. */
export interface ReadyExport {
  readonly userId: string;
  readonly format: ExportFormat;
  /** Bytes. */
  readonly size: number;
  /** ISO 8601, UTC. */
  readonly expiresAt: string;
}

export interface ExportJobParts extends ExportSource {
  readonly log: Log;
  /** Bytes that an export may take where exports lie; null where nobody can tell. */
  readonly room: () => Promise<number | null>;
  /** Runs in the transaction that says that an export is there. */
  readonly onReady: (tx: Transaction, ready: ReadyExport) => Promise<unknown>;
}

/** Another attempt was faster, the account is gone, or the file was swept away. */
class Unwanted extends Error {}

/** Pictures hardly shrink: what they have as a whole, their archive has. @throws when there is no room for it */
async function requireRoom(
  { db, room }: ExportJobParts,
  userId: string,
  request: ExportRequest,
): Promise<void> {
  const free = await room();
  if (free === null) return;
  const needed = request.includePhotos ? await sumOfPictures(db, userId, request.range) : 0;
  if (free < needed)
    throw new Error(`An export needs ${needed} bytes of pictures, and the disk has no room for them`);
}

/** The file is there, and the export refers to it from now on. @throws Unwanted; nothing refers to it then */
async function complete(
  { db, onReady }: ExportJobParts,
  { userId, exportId }: Wanted,
  format: ExportFormat,
  file: Fingerprint & { key: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    const expiresAt = await completeExport(tx, userId, exportId, file);
    if (expiresAt === null || !(await claim(tx, file.key))) throw new Unwanted();
    await onReady(tx, { userId, format, size: file.size, expiresAt });
  });
}

/** What nothing came to refer to goes at once; where that fails, the sweeper finds it. */
async function letGo(
  { db, storage, log }: ExportJobParts,
  { userId, exportId }: Wanted,
  key: string,
): Promise<void> {
  try {
    // A transaction whose end was not heard of may have committed.
    if (await hasKey(db, userId, exportId, key)) return;
    // An attempt may have taken so long that the sweeper has come by, and found nothing yet.
    await announceAgain(db, key);
    await destroy(db, storage, key);
  } catch (error) {
    log.warn({ err: error }, "an export that nothing refers to waits for the sweeper");
  }
}

/**
 * Makes an export. Each attempt writes a file of its own, under a key that is in the books before; so one that was cut off
 * leaves nothing for ever, and two at once do not meet.
 */
async function make(parts: ExportJobParts, wanted: Wanted, signal: AbortSignal): Promise<void> {
  const { db, storage } = parts;
  const request = await beginExport(db, wanted.userId, wanted.exportId);
  if (!request) return;
  await requireRoom(parts, wanted.userId, request);
  const key = newKey("exports");
  await announce(db, key);
  try {
    const take = (bytes: ReadableStream<Uint8Array>) =>
      storage.put(key, bytes, { mediaType: "application/zip" });
    const order = { ...request, userId: wanted.userId };
    // Loaded when somebody wants one: a server starts faster without.
    const { writeExport } = await import("./write-export.ts");
    const { size, sha256 } = await writeExport(parts, order, { take, signal });
    await complete(parts, wanted, request.format, { key, size, sha256 });
  } catch (error) {
    await letGo(parts, wanted, key);
    throw error;
  }
}

/** The job that makes an export: five times, over a quarter of an hour; then it has failed. */
export function defineExportJob(parts: ExportJobParts): JobKind {
  return defineJob(exportJob, {
    payload,
    attempts: 5,
    run: (wanted, { signal }) => make(parts, wanted, signal),
    givenUp: async (tx, job) => {
      const wanted = payload.safeParse(job.payload).data;
      if (wanted) await failExport(tx, wanted.userId, wanted.exportId);
    },
  });
}

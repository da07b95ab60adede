import { z } from "zod";
import type { Transaction } from "../../database/client.ts";
import { untilAborted } from "../../jobs/aborted.ts";
import { defineJob, type JobKind } from "../../jobs/job.ts";
import { enqueue } from "../../jobs/queue.ts";
import type { Previews } from "./previews.ts";

const kind = "thumbnails";

/** Has the thumbnails of an original made once it is there for good. */
export async function askForThumbnails(tx: Transaction, ownerId: string, original: string): Promise<void> {
  await enqueue(tx, { kind, key: original, payload: { original }, ownerId });
}

/** Makes thumbnails before somebody asks for them: two originals at once, as many as are decoded. */
export function thumbnailsJob(previews: Pick<Previews, "prepare">): JobKind {
  return defineJob(kind, {
    payload: z.object({ original: z.string() }),
    atOnce: 2,
    run: ({ original }, { signal }) => untilAborted(previews.prepare(original), signal),
  });
}

import { writeFile } from "node:fs/promises";
import { previewTypeOf } from "../../images/media-type.ts";
import { inspectPicture, type Picture, placesOf } from "../../images/picture.ts";
import { makeReadable, type Readable, shrink } from "../../images/thumbnail.ts";
import { Unreadable } from "../../images/unreadable.ts";
import type { DecodeJob, Ended, Made, Target } from "./decoder-messages.ts";

type Outcome = Ended extends infer One ? (One extends Ended ? Omit<One, "resident"> : never) : never;

/** What is decoded as a whole is decoded only once: the smaller picture is made of the larger one. */
function inOrder(picture: Picture, targets: readonly Target[]): readonly Target[] {
  return picture.isDecodedWhole ? targets.toSorted((a, b) => b.edge - a.edge) : targets;
}

/** What has been made is upright and has its colour profile. Its file is taken away as soon as it is told of. */
const asReadable = (made: Uint8Array): Readable => ({
  source: new Uint8Array(made),
  orientation: 1,
  colourProfile: null,
});

async function makeAll(
  picture: Picture,
  targets: readonly Target[],
  tell: (made: Made) => void,
): Promise<void> {
  let readable = await makeReadable(picture);
  for (const target of inOrder(picture, targets)) {
    const type = target.type ?? previewTypeOf(picture.mediaType);
    const bytes = await shrink(readable, target.edge, type);
    await writeFile(target.path, bytes, { flag: "wx", mode: 0o600 });
    tell({ made: target.path, type });
    const isSmaller = Math.max(picture.width, picture.height) > target.edge;
    if (isSmaller && picture.isDecodedWhole) readable = asReadable(bytes);
  }
}

/** Does what a decoding process is asked, within that process. Never throws. */
export async function decodePicture(job: DecodeJob, tell: (made: Made) => void): Promise<Outcome> {
  try {
    if (!(await Bun.file(job.source).exists())) return { ended: "gone" };
    const picture = await inspectPicture(job.source);
    if (placesOf(picture) > job.places) return { ended: "large" };
    await makeAll(picture, job.targets, tell);
    return { ended: "done" };
  } catch (error) {
    if (error instanceof Unreadable) return { ended: "unreadable", message: error.message };
    return { ended: "failed", message: String(error) };
  }
}

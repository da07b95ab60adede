import { readdirSync, writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { type Answer, type DecodeJob, linesOf } from "../src/photos/previews/decoder-messages.ts";
import { decodePicture } from "../src/photos/previews/decoder-work.ts";

/** The server and its database come first: in line for the processor, and last when memory runs out. */
function stepBack(): void {
  try {
    writeFileSync("/proc/self/oom_score_adj", "900");
    // Threads that run already keep the priority they began with; later ones have that of who starts them.
    for (const thread of readdirSync("/proc/self/task")) setPriority(Number(thread), 10);
  } catch {
    // Where that is not allowed, or no Linux, pictures are decoded all the same.
  }
}

/**
 * Decodes pictures for the server that started this process: a line of JSON for each on standard input, and lines of
 * answers on standard output. No command for people; reads no configuration. @returns when the input ends
 */
export async function decodePictures(): Promise<number> {
  stepBack();
  const tell = (answer: Answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
  const work = async (job: DecodeJob) => {
    tell({ begun: true });
    const outcome = await decodePicture(job, tell);
    tell({ ...outcome, resident: process.memoryUsage.rss() });
  };
  let working = Promise.resolve();
  // Goes on listening while it works: its end comes at any time.
  for await (const line of linesOf(Bun.stdin.stream())) {
    working = working.then(() => work(JSON.parse(line)));
  }
  return 0;
}

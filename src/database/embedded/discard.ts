import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EmbeddedPostgresError, explainFailure } from "./error.ts";
import { type Layout, statIfPresent } from "./layout.ts";

/**
 * Frees the name of the unfinished cluster, if a server was killed or the power failed in the midst of making one.
 * A rename, since the killed server's initdb may still be writing into that folder: it holds the folder, not the name.
 * @throws EmbeddedPostgresError not_a_cluster when it has been in use, whatever its name says
 */
export function putPartialAside(layout: Layout): void {
  if (!statIfPresent(layout.partial)) return;
  // Only a postmaster writes this file, never initdb.
  if (statIfPresent(join(layout.partial, "postmaster.opts"))) {
    throw new EmbeddedPostgresError(
      "not_a_cluster",
      `${layout.partial} holds a database that has been in use: rename it to ${layout.cluster} if it is yours, or move it away.`,
    );
  }
  try {
    renameSync(layout.partial, `${discardedPrefix(layout)}${Date.now().toString(36)}`);
  } catch (error) {
    throw explainFailure(`The unfinished ${layout.partial} could not be put aside`, error, "not_writable");
  }
}

/** Deletes what was put aside, now or at an earlier start. What is still being written stays for the next start. */
export async function removeDiscarded(layout: Layout): Promise<void> {
  const prefix = discardedPrefix(layout);
  const parent = dirname(prefix);
  const found = readdirSync(parent).filter((entry) => entry.startsWith(basename(prefix)));
  for (const folder of found.map((entry) => join(parent, entry))) {
    for (let attempt = 0; existsSync(folder) && attempt < 20; attempt++) {
      if (attempt > 0) await sleep(50);
      tryToRemove(folder);
    }
  }
}

function tryToRemove(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // Files appeared in it meanwhile.
  }
}

function discardedPrefix(layout: Layout): string {
  return `${layout.cluster}.discarded-`;
}

import { chownSync, closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Account } from "./account.ts";
import { FOLDER_IN_CHILD, runPostgresTool } from "./child.ts";
import { putPartialAside } from "./discard.ts";
import { explainFailure } from "./error.ts";
import { type Layout, statIfPresent } from "./layout.ts";
import type { PostgresRuntime } from "./runtime.ts";
import { DATABASE_NAME, ROLE_NAME } from "./settings.ts";

// The built-in C.UTF-8 sorts the same on every system; a C library's locales change with its versions, and with them
// the order that indexes rely on. Syncing is done once, when the database is in there too.
const INITDB_ARGUMENTS = [
  "--username=postgres",
  "--encoding=UTF8",
  "--locale=C",
  "--locale-provider=builtin",
  "--builtin-locale=C.UTF-8",
  "--data-checksums",
  "--auth=peer",
  "--no-sync",
  "--no-instructions",
];

/** In single-user mode a statement ends with a semicolon and an empty line (`-j`). */
const FIRST_STATEMENTS = [
  `CREATE ROLE ${ROLE_NAME} LOGIN`,
  `CREATE DATABASE ${DATABASE_NAME} OWNER ${ROLE_NAME}`,
];

/**
 * Creates the cluster, its role and its database. It grows in a folder of its own and takes its name when it is whole
 * and on the disk, so that a power cut leaves either nothing or a database.
 */
export async function initialiseCluster(
  layout: Layout,
  runtime: PostgresRuntime,
  account: Account,
): Promise<void> {
  putPartialAside(layout);
  try {
    mkdirSync(layout.partial, { mode: 0o700 });
    if (account.switched) chownSync(layout.partial, account.uid, account.gid);
    const folder = openSync(layout.partial, "r");
    try {
      await populate(folder, runtime, account);
    } finally {
      closeSync(folder);
    }
    // Replaces an empty folder, but not one with something in it.
    renameSync(layout.partial, layout.cluster);
    syncFolder(join(layout.cluster, ".."));
  } catch (error) {
    throw explainFailure(`The database in ${layout.cluster} could not be created`, error, "init_failed");
  }
}

/** Leaves the note that a cluster exists, if it is not there yet. */
export function markInitialised(layout: Layout): void {
  if (statIfPresent(layout.marker)) return;
  try {
    const text = `The database in ${layout.cluster} was created before ${new Date().toISOString()}.\n`;
    writeFileSync(layout.marker, text, { flag: "wx", mode: 0o644, flush: true });
    syncFolder(layout.dataDir);
  } catch (error) {
    throw explainFailure(`${layout.marker} could not be written`, error, "not_writable");
  }
}

async function populate(folder: number, runtime: PostgresRuntime, account: Account): Promise<void> {
  const run = async (program: string, args: readonly string[], input?: string) => {
    const options = { account, folder, ...(input !== undefined && { input }) };
    const end = await runPostgresTool(join(runtime.binDir, program), args, options);
    if (end.status !== 0) throw new Error(reasonOf(end.stderr));
  };
  const statements = FIRST_STATEMENTS.map((statement) => `${statement};\n\n`).join("");
  const there = ["-D", FOLDER_IN_CHILD];
  await run("initdb", [...there, ...INITDB_ARGUMENTS]);
  await run(
    "postgres",
    ["--single", ...there, "-F", "-j", "-c", "exit_on_error=on", "template1"],
    statements,
  );
  await run("initdb", [...there, "--sync-only"]);
}

function reasonOf(stderr: string): string {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  return (
    lines.find((line) => /error:|FATAL|PANIC|ERROR/.test(line)) ?? lines.at(-1) ?? "it ended without a word"
  );
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

import { chmodSync, closeSync, constants, fstatSync, lchownSync, openSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Account } from "./account.ts";
import { explainFailure } from "./error.ts";
import type { EmbeddedLog } from "./log.ts";

/** The cluster folder, held open for as long as Postgres runs in it. */
export interface ClusterFolder {
  readonly fd: number;
  readonly path: string;
  readonly uid: number;
  /**
   * `cluster_name`: stands in the command line or title of every process of this cluster, readable by anybody. (A
   * process's working directory would tell as much, but a container's root may not read it of another user's process.)
   */
  readonly name: string;
  close(): void;
}

/** Opens a cluster folder, after seeing to it that the account owns it and nobody else can enter. */
export function openClusterFolder(path: string, account: Account, log: EmbeddedLog): ClusterFolder {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    const found = fstatSync(fd, { bigint: true });
    if (account.switched && found.uid === 0n) handOver(path, account, log);
    if ((found.mode & 0o077n) !== 0n) chmodSync(path, 0o700);
    const name = `trailglass.${found.dev.toString(16)}.${found.ino.toString(16)}`;
    return { fd, path, uid: account.uid, name, close: () => closeSync(fd) };
  } catch (error) {
    throw explainFailure(`The database folder ${path} could not be opened`, error, "start_failed");
  }
}

// A cluster that root copied back from elsewhere belongs to root. Links are not followed: only what lies inside changes.
function handOver(path: string, account: Account, log: EmbeddedLog): void {
  log.warn(
    { path, uid: account.uid },
    "the database folder belongs to root; giving it to the user that Postgres runs as",
  );
  for (const entry of readdirSync(path, { recursive: true })) {
    lchownSync(join(path, String(entry)), account.uid, account.gid);
  }
  lchownSync(path, account.uid, account.gid);
}

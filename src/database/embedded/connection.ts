import { openSync } from "node:fs";
import { join } from "node:path";
import type { ClusterFolder } from "./cluster-folder.ts";
import { explainFailure } from "./error.ts";
import { layOut } from "./layout.ts";
import { DATABASE_NAME, ROLE_NAME, SOCKET_PORT } from "./settings.ts";

/** How to reach the embedded Postgres; fits the `postgres` driver as it is. No password: the kernel says who we are. */
export interface EmbeddedConnection {
  /** The socket itself. */
  readonly path: string;
  /** What libpq calls the host. */
  readonly socketDirectory: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

/** What fits into `sun_path` of a socket address, its closing zero left out. */
const LONGEST_SOCKET_PATH = 107;

/** Names the socket by its real path, or, if that is too long for a socket, through the folder that we hold open. */
export function connectionTo(folder: Pick<ClusterFolder, "path" | "fd">): EmbeddedConnection {
  const file = `.s.PGSQL.${SOCKET_PORT}`;
  const fits = Buffer.byteLength(join(folder.path, file)) <= LONGEST_SOCKET_PATH;
  const socketDirectory = fits ? folder.path : `/proc/${process.pid}/fd/${folder.fd}`;
  const path = join(socketDirectory, file);
  return { path, socketDirectory, port: SOCKET_PORT, user: ROLE_NAME, database: DATABASE_NAME };
}

/**
 * How a second process reaches the Postgres that the server of this data folder runs: for a command that was refused with
 * `in_use`. Holds the folder open until the process ends.
 */
export function connectionToRunning(dataDir: string): EmbeddedConnection {
  const path = layOut(dataDir).cluster;
  try {
    return connectionTo({ path, fd: openSync(path, "r") });
  } catch (error) {
    const advice =
      "another trailglass uses this folder, and may be making it just now: try again in a moment";
    throw explainFailure(
      `The database folder ${path} could not be opened (${advice})`,
      error,
      "cluster_missing",
    );
  }
}

import { join } from "node:path";
import type { Config } from "../config/config.ts";
import type { Database, DatabaseClient } from "../database/client.ts";
import { lockDataDir } from "../database/embedded/data-dir-lock.ts";
import { EmbeddedPostgresError } from "../database/embedded/error.ts";
import { layOut, statIfPresent } from "../database/embedded/layout.ts";
import { configuredTarget, DatabaseUnavailableError, openDatabase } from "../database/open.ts";
import type { Log } from "../log.ts";

/** Seconds that an embedded database may take to come up: after a power cut it has its log to go through. */
const startPatience = 30;

/** The database as the doctor came to it. */
export interface DoctorDatabase {
  readonly kind: "configured" | "joined" | "started" | "absent";
  /** Null where it could not be opened. */
  readonly db: Database | null;
  /** Why it could not be. */
  readonly error: unknown;
  close(): Promise<void>;
}

const closed = async () => {};

/** Whether another program, the server, runs the embedded database of a data folder. */
function isInUse(dataDir: string): boolean {
  try {
    lockDataDir(layOut(dataDir)).release();
    return false;
  } catch (error) {
    return error instanceof EmbeddedPostgresError && error.code === "in_use";
  }
}

/** A doctor makes no patients: where the server never ran, there is no database yet, and none is made. @throws when it may not look */
const everExisted = (dataDir: string) =>
  ["postgres.initialised", "postgres"].some((name) => statIfPresent(join(dataDir, name)) !== undefined);

function kindOf(config: Config): DoctorDatabase["kind"] {
  if (configuredTarget(config)) return "configured";
  if (!everExisted(config.dataDir)) return "absent";
  return isInUse(config.dataDir) ? "joined" : "started";
}

/** Opens the database that is configured, that the server beside us runs, or that lies there; never throws. */
export async function openForDoctor(config: Config, log: Log): Promise<DoctorDatabase> {
  let kind: DoctorDatabase["kind"] = "configured";
  try {
    kind = kindOf(config);
    if (kind === "absent") return { kind, db: null, error: null, close: closed };
    const options = { waitSeconds: 3, joinsRunning: true, onFatal: () => {} };
    return await inTime(kind, openDatabase(config, log, options));
  } catch (error) {
    return { kind, db: null, error, close: closed };
  }
}

/** Given up when it takes too long; what comes up later all the same is closed by `close`. */
async function inTime(
  kind: DoctorDatabase["kind"],
  opening: Promise<DatabaseClient>,
): Promise<DoctorDatabase> {
  const close = () => opening.then((client) => client.close(2), closed);
  const client = await Promise.race([opening, Bun.sleep(startPatience * 1000).then(() => null)]);
  const error = client
    ? null
    : new DatabaseUnavailableError(`It did not come up within ${startPatience} seconds.`);
  return { kind, db: client?.db ?? null, error, close };
}

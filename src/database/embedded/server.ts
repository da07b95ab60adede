import { writeAccessFiles } from "./access-files.ts";
import { type Account, chooseAccount } from "./account.ts";
import { type ClusterFolder, openClusterFolder } from "./cluster-folder.ts";
import { examineCluster } from "./cluster-state.ts";
import { connectionTo, type EmbeddedConnection } from "./connection.ts";
import { lockDataDir } from "./data-dir-lock.ts";
import { removeDiscarded } from "./discard.ts";
import { initialiseCluster, markInitialised } from "./initialise.ts";
import { type Layout, layOut } from "./layout.ts";
import type { EmbeddedLog } from "./log.ts";
import { launchPostmaster } from "./postmaster.ts";
import { locateRuntime, type PostgresRuntime, type RuntimePlaces, runtimePlaces } from "./runtime.ts";
import { removeFormerRuntimes } from "./runtime-sweep.ts";
import { Supervisor } from "./supervisor.ts";
import { clearTheWay } from "./takeover.ts";

/** A Postgres that runs as our child, and runs again when it dies. */
export interface EmbeddedPostgres {
  /** The same for as long as this object lives, across restarts of Postgres. */
  readonly connection: EmbeddedConnection;
  /** Of the postmaster that runs now; undefined while it is being restarted and after the end. */
  readonly pid: number | undefined;
  /** Shuts Postgres down cleanly and gives the data folder free. Close the pool first: open sessions are cut off. */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  readonly dataDir: string;
  readonly log: EmbeddedLog;
  /** Called once when Postgres keeps dying and is given up. */
  readonly onFatal?: (error: Error) => void;
  /** Where the programs are looked for, when not in the customary places. */
  readonly runtime?: RuntimePlaces;
}

/**
 * Starts the embedded Postgres in a data folder, creating the database at the first start, and returns when it accepts
 * connections. Takes over from a server that was killed.
 * @throws EmbeddedPostgresError, always with nothing left running and nothing in the folder harmed
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const began = performance.now();
  const layout = layOut(options.dataDir);
  const undo: (() => void)[] = [];
  const release = () => {
    for (const step of undo.splice(0).reverse()) step();
  };
  try {
    const lock = lockDataDir(layout);
    undo.push(() => lock.release());
    const account = chooseAccount(layout);
    const runtime = await locateRuntime(options.runtime ?? runtimePlaces(layout), account);
    const folder = await prepareCluster(layout, runtime, account, options.log);
    undo.push(() => folder.close());
    const supervisor = await supervise(options, { runtime, account, folder });
    removeFormerRuntimes(layout.runtime, runtime.binDir);
    const ms = Math.round(performance.now() - began);
    options.log.info({ version: runtime.version, pid: supervisor.pid, ms }, "the embedded Postgres is ready");
    return handleFor(supervisor, connectionTo(folder), release);
  } catch (error) {
    release();
    throw error;
  }
}

async function prepareCluster(
  layout: Layout,
  runtime: PostgresRuntime,
  account: Account,
  log: EmbeddedLog,
): Promise<ClusterFolder> {
  if (examineCluster(layout, runtime.majorVersion) === "absent") {
    log.info({ folder: layout.cluster }, "creating the database; this takes a moment");
    await initialiseCluster(layout, runtime, account);
  }
  await removeDiscarded(layout);
  markInitialised(layout);
  return openClusterFolder(layout.cluster, account, log);
}

type Parts = { readonly runtime: PostgresRuntime; readonly account: Account; readonly folder: ClusterFolder };

async function supervise(options: EmbeddedPostgresOptions, parts: Parts): Promise<Supervisor> {
  const { log } = options;
  const launch = async (abort: AbortSignal) => {
    await clearTheWay(parts.folder, log);
    writeAccessFiles(parts.folder, parts.account);
    return launchPostmaster({ ...parts, log }, abort);
  };
  const onFatal = (error: Error) => {
    log.error({ reason: error.message }, "the embedded Postgres is lost");
    options.onFatal?.(error);
  };
  const supervisor = new Supervisor({ launch, log, onFatal });
  await supervisor.start();
  return supervisor;
}

function handleFor(
  supervisor: Supervisor,
  connection: EmbeddedConnection,
  release: () => void,
): EmbeddedPostgres {
  return {
    connection,
    get pid() {
      return supervisor.pid;
    },
    async stop() {
      await supervisor.stop();
      release();
    },
  };
}

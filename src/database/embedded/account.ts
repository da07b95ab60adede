import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { EmbeddedPostgresError } from "./error.ts";
import { type Layout, statIfPresent } from "./layout.ts";

/** The system user that Postgres runs as and that owns the cluster. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
  /** Undefined only when root runs an existing cluster whose owner has no name any more. */
  readonly name: string | undefined;
  /** True when the server is root and its children must change to this account. */
  readonly switched: boolean;
}

type Named = { readonly name: string; readonly uid: number; readonly gid: number };

/** In this order, when root creates a cluster: one made for us, the customary one, one that every system has. */
const PREFERRED = ["trailglass", "postgres", "nobody"];

/** Decides who Postgres runs as. Postgres itself refuses to be root. */
export function chooseAccount(layout: Layout): Account {
  const uid = process.geteuid?.() ?? 0;
  return uid === 0 ? accountForRoot(layout) : ownAccount(layout, uid);
}

function ownAccount(layout: Layout, uid: number): Account {
  const owner = statIfPresent(layout.cluster)?.uid;
  if (owner !== undefined && owner !== uid) {
    throw new EmbeddedPostgresError(
      "wrong_owner",
      `${layout.cluster} belongs to user id ${owner}, but trailglass runs as user id ${uid}: run it as the former (or as root), or give that folder to the latter with chown -R.`,
    );
  }
  const name = passwd().find((entry) => entry.uid === uid)?.name ?? askNameService(uid);
  if (name) return { uid, gid: process.getegid?.() ?? 0, name, switched: false };
  throw new EmbeddedPostgresError(
    "no_system_user",
    `User id ${uid} has no name on this system, which Postgres needs: run trailglass as a user that is in /etc/passwd, or as root.`,
  );
}

function accountForRoot(layout: Layout): Account {
  const known = passwd();
  // An existing cluster's owner wins, so that a later change of the preferred users cannot lock us out of it.
  const cluster = statIfPresent(layout.cluster);
  if (cluster && cluster.uid !== 0) {
    const name = known.find((entry) => entry.uid === cluster.uid)?.name;
    return { uid: cluster.uid, gid: cluster.gid, name, switched: true };
  }
  const folderOwner = statIfPresent(layout.dataDir)?.uid ?? 0;
  const chosen =
    known.find((entry) => entry.uid !== 0 && entry.uid === folderOwner) ??
    PREFERRED.map((name) => known.find((entry) => entry.name === name && entry.uid !== 0)).find(Boolean);
  if (chosen) return { ...chosen, switched: true };
  throw new EmbeddedPostgresError(
    "no_system_user",
    "Postgres refuses to run as root and there is no user to run it as: create one with useradd --system trailglass.",
  );
}

function passwd(): Named[] {
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  return lines.flatMap((line) => {
    const [name, , uid, gid] = line.split(":");
    return name && uid && gid ? [{ name, uid: Number(uid), gid: Number(gid) }] : [];
  });
}

// Users of a directory service are not in /etc/passwd; os.userInfo() does not know them either.
function askNameService(uid: number): string | undefined {
  const answer = spawnSync("id", ["-un", String(uid)], { env: { PATH: "/usr/bin:/bin" }, encoding: "utf8" });
  return answer.status === 0 ? answer.stdout.trim() || undefined : undefined;
}

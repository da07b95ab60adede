import { existsSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import ipaddr from "ipaddr.js";
import type { Present } from "./present.ts";

/** The user that the server will run as. */
export interface ServiceAccount {
  readonly name: string;
  readonly uid: number;
  /** The first is the user's own. */
  readonly groups: readonly [number, ...number[]];
}

/** What setup knows of the place it runs in. */
export interface Machine {
  readonly isRoot: boolean;
  /** Whether a person sits there and is asked. */
  readonly isAsked: boolean;
  /** Whom the server will run as when that is not the one who runs setup. */
  readonly account: ServiceAccount | null;
  /** Whether a service can be installed. */
  readonly hasSystemd: boolean;
  /** The folder where data goes when nobody says otherwise. */
  readonly usualDataDir: string;
  /** Addresses in the local network, IPv4. */
  readonly localAddresses: readonly string[];
  /** Whether strangers reach this machine without a proxy. */
  readonly isPublic: boolean;
  /** How this program is called again. */
  readonly program: readonly string[];
  readonly envFile: string;
  /** What an earlier setup, or a person, has set. */
  readonly present: Present;
}

const accountName = "trailglass";

/** The system user of the service, where there is one. */
export function findAccount(name = accountName): ServiceAccount | null {
  const rows = (path: string) => readFileSync(path, "utf8").split("\n");
  const fields = rows("/etc/passwd").map((row) => row.split(":"));
  const [, , uid, gid] = fields.find(([user]) => user === name) ?? [];
  if (uid === undefined || gid === undefined) return null;
  const groups = existsSync("/etc/group") ? rows("/etc/group").map((row) => row.split(":")) : [];
  const others = groups.filter(([, , , members]) => members?.split(",").includes(name));
  return { name, uid: Number(uid), groups: [Number(gid), ...others.map(([, , id]) => Number(id))] };
}

/** Whether the system is run by systemd. Source: sd_booted(3). */
export const hasSystemd = () => existsSync("/run/systemd/system");

function kinds(): { address: string; range: string }[] {
  return Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ family, internal }) => family === "IPv4" && !internal)
    .map(({ address }) => ({ address, range: ipaddr.parse(address).range() }));
}

/** The machine's addresses: those of a local network, and whether it has one that the whole world reaches. */
export function readAddresses(): Pick<Machine, "localAddresses" | "isPublic"> {
  const found = kinds();
  return {
    localAddresses: found.filter(({ range }) => range === "private").map(({ address }) => address),
    isPublic: found.some(({ range }) => range === "unicast"),
  };
}

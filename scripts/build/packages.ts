import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { root } from "./places.ts";

/** A package of which something is inside the executable. */
export interface InsidePackage {
  readonly name: string;
  readonly version: string;
  /** Its package.json, read. */
  readonly manifest: Manifest;
  /** What it says of its licences, all files in a row. */
  readonly notice: string;
}

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Licence notes as packages call them. */
const NOTICE = /^(licen[cs]e|unlicense|copying|notice|copyright)([-._].*)?$/i;

/**
 * Finds out which packages the sources come from.
 * @param sources paths from the repository's root
 * @returns by name, then version
 */
export function packagesOf(sources: readonly string[]): InsidePackage[] {
  const groups = Map.groupBy(sources, (path) => folderOf(path) ?? "");
  groups.delete("");
  return [...groups]
    .map(([folder, files]) => describePackage(join(root, folder), files))
    .sort(byNameAndVersion);
}

const byNameAndVersion = (one: InsidePackage, other: InsidePackage) =>
  `${one.name}@${one.version}` < `${other.name}@${other.version}` ? -1 : 1;

// The last of several, where a package has packages of its own.
function folderOf(path: string): string | undefined {
  return /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(path)?.[0];
}

/**
 * Reads what a package's folder says of it.
 * @param sources files of it, as paths from the repository's root: one that is a bundle may have licence notes of its own
 */
export function describePackage(folder: string, sources: readonly string[] = []): InsidePackage {
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
  const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  const notices = files.map(({ name }) => name).filter((name) => NOTICE.test(name));
  const ofBundles = sources.map((path) => `${basename(path)}.LICENSE.txt`);
  const told = [
    ...notices.sort(),
    ...files.map(({ name }) => name).filter((name) => ofBundles.includes(name)),
  ];
  const notice = told.map((name) => readFileSync(join(folder, name), "utf8").trim());
  return { name: manifest.name, version: manifest.version, manifest, notice: notice.join("\n\n") };
}

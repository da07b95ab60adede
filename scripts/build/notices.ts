import { readFileSync } from "node:fs";
import { join } from "node:path";
import { nativeParts } from "./native-parts.ts";
import type { InsidePackage } from "./packages.ts";
import { root } from "./places.ts";

const read = (...path: string[]) => readFileSync(join(root, ...path), "utf8").trim();

/**
 * The licence notes of everything inside the executable, as text.
 * @param packages what it is made of, and the package that Postgres comes from
 */
export function writeNotices(packages: readonly InsidePackage[]): string {
  return [
    "Trailglass",
    read("LICENSE"),
    "The program contains the work of others, under the terms that follow.",
    ...nativeParts.map((part) =>
      chapter([part.title], part.license, read("scripts/build/notices", part.notice)),
    ),
    chapter([`Bun ${Bun.version}`], "MIT and others", bunNotice()),
    ...packageChapters(packages),
    "",
  ].join("\n\n");
}

function chapter(titles: readonly string[], license: string, text: string): string {
  const heading = `${titles.join(", ")} (${license})`;
  return `${"=".repeat(78)}\n${wrap(heading)}\n${"=".repeat(78)}\n\n${text}`;
}

// Packages that say the same to the letter share a chapter.
function packageChapters(packages: readonly InsidePackage[]): string[] {
  const groups = Map.groupBy(packages, ({ manifest, notice }) => `${manifest.license}\n${notice}`);
  return [...groups.values()].map((group) => {
    const license = group[0]?.manifest.license ?? "see below";
    const text = group[0]?.notice || `Its package says no more than its licence: ${license}.`;
    return chapter(
      group.map(({ name, version }) => `${name} ${version}`),
      license,
      text,
    );
  });
}

// Bun's own account of what it links comes with the documentation of its types, of the same version.
function bunNotice(): string {
  return read("node_modules/bun-types/docs/project/license.mdx").replace(/^---\n[\s\S]*?\n---\n+/, "");
}

function wrap(text: string): string {
  return text.replace(/(.{1,78})(?: |$)/g, "$1\n").trimEnd();
}

import { program } from "../src/version.ts";

/** What `--version` prints: the program's name and version, then one fact a line, each a word and its value. */
export function versionText(): string {
  const { version, commit, builtAt, bun, postgres } = program;
  const facts = { trailglass: version, commit, built: builtAt, bun, postgres };
  return Object.entries(facts)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name} ${value}`)
    .join("\n");
}

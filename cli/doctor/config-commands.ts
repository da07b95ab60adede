import type { Command } from "commander";
import { warnUnknown } from "../../src/config/describe.ts";
import { type ShownSetting, showSettings } from "../../src/config/show.ts";
import { configFrom, findEnvFile, readSources } from "../environment.ts";
import type { GlobalOptions } from "../with-context.ts";

interface ShowOptions extends GlobalOptions {
  json?: boolean;
}

function shownValue({ value, problem, fallback, source }: ShownSetting): string {
  if (problem !== null) return `(not valid: ${problem})`;
  return value ?? (source === "default" ? `(${fallback})` : "");
}

function sourceOf({ name, source, setBy }: ShownSetting): string {
  return setBy === null || setBy === name ? source : `${source}, as ${setBy}`;
}

function printTable(settings: readonly ShownSetting[]): void {
  const rows = settings.map((setting) => [setting.name, shownValue(setting), sourceOf(setting)] as const);
  // A long value, such as a URL, does not push all others' sources off the screen.
  const widths = [0, 1].map((column) =>
    Math.max(...rows.map((row) => Math.min(48, row[column]?.length ?? 0))),
  );
  for (const [name, value, source] of rows)
    console.log(`${name.padEnd(widths[0] ?? 0)}  ${value.padEnd(widths[1] ?? 0)}  ${source}`);
}

/** `trailglass config show`: every setting, its value and where it comes from. Secrets are not shown. */
function configShow(options: ShowOptions): void {
  const file = findEnvFile(options.config);
  const settings = showSettings(readSources(options.config), process.env);
  if (options.json) {
    console.log(JSON.stringify({ envFile: file, settings }, null, 2));
    return;
  }
  printTable(settings);
  console.log(file === null ? "\nThere is no env file." : `\nThe env file is ${file}.`);
}

/** `trailglass config check`: all problems at once. Exit code 78 when there are any. @throws ConfigError */
function configCheck(options: GlobalOptions): void {
  const sources = readSources(options.config);
  for (const warning of warnUnknown(Object.keys(sources.environment))) console.error(`Warning: ${warning}`);
  configFrom(sources);
  console.log("The configuration is valid.");
}

/** Adds the commands below `trailglass config`. */
export function addConfigCommands(group: Command): void {
  group
    .command("show")
    .description("print every setting with its value and where it comes from; secrets as (set)")
    .option("--json", "as JSON")
    .action((_options, command) => configShow(command.optsWithGlobals()));
  group
    .command("check")
    .description("tell all that is wrong with the settings, and touch nothing")
    .action((_options, command) => configCheck(command.optsWithGlobals()));
}

#!/usr/bin/env bun
import { Command, CommanderError } from "commander";
import { version } from "../package.json" with { type: "json" };
import { migrate } from "./migrate.ts";
import { serve } from "./serve.ts";
import { explainFailure } from "./with-context.ts";

const program = new Command("trailglass")
  .description("Self-hosted backend of the Trailglass travel journal.")
  .version(version)
  .option("--config <file>", "env file to read settings from")
  .showHelpAfterError("(trailglass --help lists the commands)")
  .exitOverride();

/** Options of a command together with those that every command has. */
const all = (command: Command) => command.optsWithGlobals();

program
  .command("serve")
  .description("run the server until it is told to stop")
  .action((_options, command) => serve(all(command)));
program
  .command("migrate")
  .description("bring the database schema up to date")
  .option("--status", "list migrations and when they ran")
  .option("--dry-run", "print what would run")
  .action((_options, command) => migrate(all(command)));

/** Exit code of a wrong command line, after BSD sysexits.h. */
const usageError = 64;

try {
  await program.parseAsync();
  process.exit(0);
} catch (error) {
  if (!(error instanceof CommanderError)) process.exit(explainFailure(error));
  process.exit(error.exitCode === 0 ? 0 : usageError);
}

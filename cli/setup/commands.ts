import type { Command } from "commander";
import { prepareCommand } from "./database-step.ts";
import { options } from "./flags.ts";
import { prepareDatabase } from "./prepare-database.ts";
import { setup } from "./setup.ts";

/** Adds `trailglass setup`, and the command by which it calls this program again as another user. */
export function addSetup(program: Command): void {
  const command = program
    .command("setup")
    .description("set up this server: asks, checks, writes the settings, and starts it")
    .option("--yes", "ask nothing: take the defaults for what no flag says")
    .option("--no-service", "do not install a systemd service")
    .addHelpText("after", "\nA secret's file may be -, which is standard input.");
  for (const option of options) command.addOption(option);
  command.action((flags, self) => setup(flags, self.optsWithGlobals()));
  program
    .command(prepareCommand, { hidden: true })
    .description("what setup calls to prepare the database")
    .action((_options, self) => prepareDatabase(self.optsWithGlobals()));
}

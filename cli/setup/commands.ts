import type { Command } from "commander";
import { prepareCommand } from "./database-step.ts";
import { options } from "./flags.ts";
import { prepareDatabase } from "./prepare-database.ts";
import { setup } from "./setup.ts";

/** Fills in `trailglass setup`, and adds the command by which it calls this program again as another user. */
export function addSetup(command: Command, program: Command): void {
  command
    .option("--yes", "ask nothing: take the defaults for what no flag says")
    .option("--no-service", "do not install a systemd service")
    .addHelpText("after", "\nA secret's file may be -, which is standard input.")
    .action((flags, self) => setup(flags, self.optsWithGlobals()));
  for (const option of options) command.addOption(option);
  program
    .command(prepareCommand, { hidden: true })
    .description("what setup calls to prepare the database")
    .action((_options, self) => prepareDatabase(self.optsWithGlobals()));
}

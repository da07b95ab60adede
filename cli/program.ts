import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { addBackupCommands, addRestore } from "./backup/commands.ts";
import { createUser } from "./create-user.ts";
import { deleteUser } from "./delete-user.ts";
import { disableUser } from "./disable-user.ts";
import { addConfigCommands } from "./doctor/config-commands.ts";
import { addCompletions, addDoctor, addMan } from "./doctor/doctor-commands.ts";
import { addHealthcheck } from "./healthcheck.ts";
import { invite } from "./invite.ts";
import { addJobsCommands } from "./jobs/commands.ts";
import { printLicenses } from "./licenses.ts";
import { listUsers } from "./list-users.ts";
import { migrate } from "./migrate.ts";
import { resetPassword } from "./reset-password.ts";
import { rotateKeys } from "./rotate-keys.ts";
import { serve } from "./serve.ts";
import { addSetup } from "./setup/commands.ts";
import { printStatistics } from "./statistics.ts";
import { addStorageCommands } from "./storage-commands.ts";
import { versionText } from "./version.ts";
import { wholeNumber } from "./whole-number.ts";
import { explainFailure } from "./with-context.ts";

const program = new Command("trailglass")
  .description("Self-hosted backend of the Trailglass travel journal.")
  .version(versionText())
  .option("--config <file>", "env file to read settings from")
  .showHelpAfterError("(trailglass --help lists the commands)")
  .exitOverride();

function upTo90(text: string): number {
  if (/^\d{1,2}$/.test(text) && Number(text) >= 1 && Number(text) <= 90) return Number(text);
  throw new InvalidArgumentError("It has to be a number of days from 1 to 90.");
}

/** Options of a command together with those that every command has. */
const all = (command: Command) => command.optsWithGlobals();

const passwordFromStdin = new Option("--password-stdin", "read the password from standard input");
const generatedPassword = new Option("--generate", "make a password and print it").conflicts("passwordStdin");

program
  .command("serve")
  .description("run the server until it is told to stop")
  .action((_options, command) => serve(all(command)));
addHealthcheck(program);
addSetup(
  program.command("setup").description("set up this server: asks, checks, writes settings, starts it"),
  program,
);
program
  .command("migrate")
  .description("bring the database schema up to date")
  .option("--status", "list migrations and when they ran")
  .option("--dry-run", "print what would run")
  .action((_options, command) => migrate(all(command)));
program
  .command("create-user <email>")
  .description("make an account; asks for its password")
  .option("--name <name>", "what the person is called; the email's first part when not given")
  .addOption(passwordFromStdin)
  .addOption(generatedPassword)
  .action((email, _options, command) => createUser(email, all(command)));
program
  .command("invite <email>")
  .description(
    "invite somebody to make an account: by mail, or with a link to hand on where no mail is set up",
  )
  .option("--days <days>", "for how long", upTo90, 7)
  .option("--print", "print the link in any case")
  .action((email, _options, command) => invite(email, all(command)));
program
  .command("list-users")
  .description("list all accounts")
  .option("--json", "as JSON")
  .action((_options, command) => listUsers(all(command)));
program
  .command("reset-password <email>")
  .description("set an account's password and sign its devices out; asks for the password")
  .addOption(passwordFromStdin)
  .addOption(generatedPassword)
  .action((email, _options, command) => resetPassword(email, all(command)));
program
  .command("disable-user <email>")
  .description("shut an account and sign its devices out; its data stays")
  .option("--enable", "open it again")
  .action((email, _options, command) => disableUser(email, all(command)));
program
  .command("delete-user <email>")
  .description("erase an account and everything it owns")
  .option("--yes", "do not ask")
  .action((email, _options, command) => deleteUser(email, all(command)));
program
  .command("export")
  .description("write an account's journal into a zip file; the server may run")
  .requiredOption("--user <email>", "whose")
  .requiredOption("--format <format>", "json, which is complete, csv, gpx, kml or geojson")
  .requiredOption("--out <file>", "where to; - for standard output")
  .option("--photos", "with the pictures, as they were uploaded")
  .option("--from <date>", "only from this day (UTC) or instant on")
  .option("--to <date>", "only until the end of this day (UTC), or this instant")
  .option("--force", "replace that file when it is there already")
  .action(async (_options, command) => {
    const { exportAccount } = await import("./export.ts");
    await exportAccount(command.optsWithGlobals());
  });
program
  .command("import <file>")
  .description("bring an export in JSON into an empty account; the server may run")
  .requiredOption("--user <email>", "the account: make it with create-user, and import before phones sign in")
  .option("--salvage", "leave out what is damaged, instead of importing nothing")
  .option("--json", "print what was imported as JSON")
  .action(async (file, _options, command) => {
    const { importFile } = await import("./import.ts");
    await importFile(file, command.optsWithGlobals());
  });
program
  .command("rotate-keys")
  .description("make a new signing key, on running servers too; nobody is signed out")
  .option("--revoke-all", "end the old keys, every session and all links at once")
  .option("--yes", "do not ask")
  .action((_options, command) => rotateKeys(all(command)));
addStorageCommands(
  program.command("storage").description("look after stored pictures: check them, or move them elsewhere"),
);
addBackupCommands(program.command("backup").description("make backups, and look after them"));
addRestore(
  program.command("restore [id]").description("bring back everything, or one account, from a backup"),
);
addJobsCommands(program.command("jobs").description("look at what the server does by itself, and step in"));
program
  .command("statistics")
  .description("show how the server has grown, a line a day")
  .addOption(new Option("--days <n>", "days at most").argParser(wholeNumber).default(30))
  .option("--json", "as JSON")
  .action((_options, command) => printStatistics(all(command)));
addDoctor(program.command("doctor").description("look whether all is well, and say how to mend what is not"));
addConfigCommands(program.command("config").description("show or check the settings"));
addCompletions(
  program.command("completions").description("print the script that completes commands in a shell"),
);
addMan(program.command("man").description("print the manual page, for man -l"));
program
  .command("licenses")
  .description("print the licences of everything inside the program")
  .action(() => printLicenses());

/** Exit code of a wrong command line, after BSD sysexits.h. */
const usageError = 64;

/** Runs the command that was asked for. @returns the exit code */
export async function runProgram(): Promise<number> {
  try {
    await program.parseAsync();
    return 0;
  } catch (error) {
    if (!(error instanceof CommanderError)) return explainFailure(error);
    return error.exitCode === 0 ? 0 : usageError;
  }
}

import { type Command, Option } from "commander";
import { storageCheck } from "./storage-check.ts";
import { storageMigrate } from "./storage-migrate.ts";

const target = new Option("--to <backend>", "where to")
  .choices(["s3", "database", "directory"])
  .makeOptionMandatory();

/** Adds the commands below `trailglass storage`. */
export function addStorageCommands(group: Command): void {
  group
    .command("check")
    .description("compare the database with the stored pictures, each of which is read")
    .option("--repair", "delete what belongs to nobody, and let phones upload again what is damaged")
    .option("--force", "repair even if database and storage have no picture in common")
    .option("--json", "as JSON")
    .action((_options, command) => storageCheck(command.optsWithGlobals()));
  group
    .command("migrate")
    .description("copy all pictures to another storage; nothing is deleted")
    .addOption(target)
    .action((_options, command) => storageMigrate(command.optsWithGlobals()));
}

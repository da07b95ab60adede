import { type Command, Option } from "commander";
import { wholeNumber } from "../whole-number.ts";

const dir = () => new Option("--dir <folder>", "folder of the backups; BACKUP_DIR when not given");
const s3 = () => new Option("--s3", "the second place, BACKUP_S3_BUCKET").conflicts(["dir", "archive"]);
const archive = (what: string) => new Option("--archive <file>", what).conflicts("dir");
const json = () => new Option("--json", "as JSON");
const passphrase = () =>
  new Option("--passphrase-file <file>", "file with the passphrase; BACKUP_PASSPHRASE when not given");

function addCreate(group: Command): void {
  group
    .command("create", { isDefault: true })
    .description("make a backup; the server may run. This is what `trailglass backup` alone does")
    .addOption(dir())
    .addOption(archive("make one zip file to carry away instead"))
    .option("--force", "replace that file when it is there already")
    .option("--with-env", "put the env file into the backup, too")
    .addOption(passphrase())
    .option("--recipient <key>", "encrypt to this public key of age; BACKUP_RECIPIENT when not given")
    .addOption(json())
    .action(async (_options, self: Command) => {
      const { backupCreate } = await import("./create.ts");
      await backupCreate(self.optsWithGlobals());
    });
}

function addList(group: Command): void {
  group
    .command("list")
    .description("list the backups, the newest first")
    .addOption(dir())
    .addOption(s3())
    .addOption(archive("what is in an archive"))
    .addOption(json())
    .action(async (_options, self: Command) => {
      const { backupList } = await import("./list.ts");
      await backupList(self.optsWithGlobals());
    });
}

function addVerify(group: Command): void {
  group
    .command("verify [id]")
    .description("read a backup again, the newest when none is named, and say what is damaged")
    .option("--all", "all backups")
    .addOption(dir())
    .addOption(s3())
    .addOption(archive("an archive"))
    .addOption(passphrase())
    .option("--identity <file>", "file with the private key of age that opens the backup")
    .option("--repair", "remove damaged pictures, so that the next backup copies them anew")
    .option("--rehearse", "then restore it into a database that is thrown away, and compare")
    .addOption(json())
    .action(async (id: string | undefined, _options, self: Command) => {
      const { backupVerify } = await import("./verify.ts");
      await backupVerify(id, self.optsWithGlobals());
    });
}

function addPrune(group: Command): void {
  group
    .command("prune")
    .description("remove the backups that are not to be kept; every backup does so by itself")
    .option("--dry-run", "only say what would go")
    .option("--keep-daily <number>", "days of which the last one is kept", wholeNumber)
    .option("--keep-weekly <number>", "weeks", wholeNumber)
    .option("--keep-monthly <number>", "months", wholeNumber)
    .addOption(dir())
    .addOption(s3())
    .addOption(json())
    .action(async (_options, self: Command) => {
      const { backupPrune } = await import("./prune.ts");
      await backupPrune(self.optsWithGlobals());
    });
}

/** Adds the commands below `trailglass backup`. What they need is loaded when they run. */
export function addBackupCommands(group: Command): void {
  addCreate(group);
  addList(group);
  addVerify(group);
  addPrune(group);
}

/** Adds `trailglass restore`. */
export function addRestore(command: Command): void {
  command
    .addOption(dir())
    .addOption(s3())
    .addOption(archive("restore from an archive"))
    .option("--replace", "put the backup in the place of what is there")
    .option("--user <email>", "bring back one account only; the server may run")
    .option("--salvage", "leave out pictures that are damaged in the backup")
    .addOption(passphrase())
    .option("--identity <file>", "file with the private key of age that opens the backup")
    .option("--env-to <file>", "only write the env file that is in the backup to a new file")
    .option("--yes", "do not ask")
    .addOption(json())
    .action(async (id: string | undefined, _options, self: Command) => {
      const { restore } = await import("./restore.ts");
      await restore(id, self.optsWithGlobals());
    });
}

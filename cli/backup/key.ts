import { readFileSync } from "node:fs";
import { BackupError } from "../../src/backup/error.ts";
import type { BackupFiles } from "../../src/backup/files.ts";
import type { Manifest } from "../../src/backup/manifest.ts";
import type { Config } from "../../src/config/config.ts";
import { CommandError } from "../with-context.ts";

/** Where the secret stands that opens backups; the configured passphrase when no file is named. */
export interface KeyWish {
  passphraseFile?: string;
  /** A file with a private key of age. */
  identity?: string;
}

function readSecret(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    throw new CommandError(`${path} cannot be read (${(error as { code?: string }).code ?? "error"})`);
  }
}

/** The private key in a file as `age-keygen` writes it, comments and all. */
function readIdentity(path: string): string {
  const line = readSecret(path)
    .split("\n")
    .find((text) => text.startsWith("AGE-SECRET-KEY-"));
  if (line) return line.trim();
  throw new CommandError(`${path} holds no private key of age (AGE-SECRET-KEY-1…)`);
}

/** The passphrase that is meant; undefined when there is none. */
export function passphraseOf(config: Config, { passphraseFile }: KeyWish): string | undefined {
  return passphraseFile === undefined ? config.backupPassphrase : readSecret(passphraseFile);
}

/** What opens a backup; null for one in clear. @throws CommandError, BackupError sealed */
export async function readKey(
  files: BackupFiles,
  { encryption }: Pick<Manifest, "encryption">,
  config: Config,
  wish: KeyWish,
): Promise<string | null> {
  if (encryption === null) return null;
  const { isKeyOf, openPlace } = await import("../../src/backup/sealing.ts");
  const identity = wish.identity === undefined ? undefined : readIdentity(wish.identity);
  const key = await openPlace(files, { passphrase: passphraseOf(config, wish), identity });
  if (await isKeyOf(encryption, key)) return key;
  throw new BackupError("sealed", `The backup was made for another key: ${encryption.recipient}`);
}

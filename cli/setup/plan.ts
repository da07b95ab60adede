import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { type Config, type Environment, readConfig } from "../../src/config/config.ts";
import { generatePassword } from "../password-source.ts";
import { changeEnvFile } from "./env-file.ts";
import { groups, head } from "./env-groups.ts";
import type { Machine } from "./machine.ts";
import type { Answers } from "./question.ts";
import { questions } from "./sections.ts";
import { passphraseFile, settingsOf } from "./settings.ts";

/** All that is to be done, worked out and checked before anything is. */
export interface Plan {
  readonly answers: Answers;
  readonly machine: Machine;
  /** The env file as it will be. */
  readonly text: string;
  /** What the server will read from it. */
  readonly config: Config;
  /** What goes into a file of its own; undefined where none is new. */
  readonly passphrase: string | undefined;
}

function passphraseOf({ backups, backupEncryption, backupPassphrase }: Answers): string | undefined {
  if (backups === "off") return undefined;
  if (backupEncryption === "made") return generatePassword();
  return backupEncryption === "typed" ? backupPassphrase : undefined;
}

/**
 * Works out what answers mean, and reads the result as the server will.
 * @throws ConfigError, UnquotableError
 */
export function makePlan(answers: Answers, machine: Machine): Plan {
  const passphrase = passphraseOf(answers);
  const text = changeEnvFile(machine.present.text, settingsOf(questions, answers, machine), groups, head);
  const readFile = (path: string) =>
    passphrase !== undefined && path === passphraseFile(machine) ? passphrase : readFileSync(path, "utf8");
  const environment = parseEnv(text) as Environment;
  const config = readConfig({ environment, readFile, defaultDataDir: machine.usualDataDir });
  return { answers, machine, text, config, passphrase };
}

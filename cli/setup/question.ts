import type { z } from "zod";
import type { Config } from "../../src/config/config.ts";
import type { Variable } from "../../src/config/variable.ts";
import { variables } from "../../src/config/variables.ts";
import type { Machine } from "./machine.ts";

/** Everything that setup wants to know, in the order in which it asks. */
export type Name =
  | "dataDir"
  | "database"
  | "databaseUrl"
  | "databasePassword"
  | "photos"
  | "storageEndpoint"
  | "storageRegion"
  | "storageBucket"
  | "storageAccessKey"
  | "storageSecretKey"
  | "reach"
  | "tlsCert"
  | "tlsKey"
  | "port"
  | "host"
  | "publicUrl"
  | "mail"
  | "smtpHost"
  | "smtpPort"
  | "smtpUsername"
  | "smtpPassword"
  | "smtpFrom"
  | "smtpFromName"
  | "backups"
  | "backupSchedule"
  | "backupDir"
  | "backupKeep"
  | "backupCopy"
  | "backupEndpoint"
  | "backupRegion"
  | "backupBucket"
  | "backupAccessKey"
  | "backupSecretKey"
  | "backupEncryption"
  | "backupPassphrase"
  | "account"
  | "email"
  | "displayName"
  | "password";

/** The answers, as texts that their questions' readers took. Empty: left out on purpose. */
export type Answers = Readonly<Partial<Record<Name, string>>>;

export interface Choice {
  readonly value: string;
  readonly label: string;
  readonly hint?: string;
  /** Offered only where the return key would answer it. */
  readonly onlyIfUsual?: boolean;
}

/** One question: prompt, flag and setting are made from this, so that they cannot drift apart. */
export interface Question {
  readonly name: Name;
  /** The flag with what follows it, such as `data-dir <folder>`. A secret's takes a file: `smtp-password-file <file>`. */
  readonly flag: string;
  /** What a person is asked. */
  readonly ask: string;
  /** What the flag's help says. */
  readonly about: string;
  /** A secret is never shown, and its flag names a file. A choice has `choices`. */
  readonly kind: "text" | "secret" | "choice";
  readonly choices?: readonly Choice[];
  /** The setting that the answer is, by its documented name. */
  readonly variable?: string;
  /** How the answer is read where it is no setting, or more is asked of it than of the setting. */
  readonly read?: z.ZodType<unknown, string>;
  readonly mayBeEmpty?: boolean;
  /** Never asked at the terminal: the flag, or what is there already. */
  readonly flagOnly?: boolean;
  /** Asked a second time, since nobody sees what was typed. */
  readonly twice?: boolean;
  /** Answers that follow from others being given. */
  readonly impliedBy?: Readonly<Record<string, readonly Name[]>>;
  /** Whether it matters, after what was answered before. */
  when?(answers: Answers): boolean;
  /** The answer that the return key and `--yes` give. */
  fallback?(answers: Answers, machine: Machine): string | undefined;
}

/** What a check found. */
export interface Problem {
  /** A whole sentence that says what to do. */
  readonly message: string;
  /** Whether a person may go on all the same, and `--yes` does with a warning. */
  readonly bearable?: boolean;
}

export interface Findings {
  readonly problems: readonly Problem[];
  /** What went well and is worth a line. */
  readonly notes?: readonly string[];
}

/** Questions that are checked together, as soon as they are answered. */
export interface Section {
  readonly title: string;
  readonly questions: readonly Question[];
  /** @param config what the server would be configured with, after the answers so far */
  check(answers: Answers, machine: Machine, config: () => Config): Findings | Promise<Findings>;
}

/** Finds a setting by its documented name. */
export function settingNamed(name: string): Variable {
  const found = Object.values(variables).find(({ names }) => names[0] === name);
  if (!found) throw new Error(`${name} is no setting`);
  return found;
}

/** How an answer is read. */
export function readerOf({ variable, read, choices }: Question): z.ZodType<unknown, string> | undefined {
  if (read) return read;
  return variable && !choices ? settingNamed(variable).read : undefined;
}

/** What is wrong with an answer by itself, or undefined. Never repeats the answer. */
export function faultOf(question: Question, text: string): string | undefined {
  if (/[\r\n\0]/.test(text)) return "must be one line";
  if (text === "") return question.mayBeEmpty ? undefined : "is needed";
  const { choices } = question;
  if (choices && !choices.some(({ value }) => value === text))
    return `must be one of ${choices.map(({ value }) => value).join(", ")}`;
  return readerOf(question)?.safeParse(text).error?.issues[0]?.message;
}

/** The name of a question's flag, with its dashes. */
export const flagName = ({ flag }: Question): string => `--${flag.split(" ")[0]}`;

import { randomBytes } from "node:crypto";
import { dirname, join, resolve } from "node:path";
import { isSet } from "../../src/config/config.ts";
import type { Machine } from "./machine.ts";
import { presentText } from "./present.ts";
import { type Answers, type Name, type Question, settingNamed } from "./question.ts";
import { keepNumbers, keepSettings } from "./sections/backups.ts";

type Setting = readonly [name: string, value: string | null];

/** Answers that are paths: the server does not run where setup did. */
const paths: readonly Name[] = ["dataDir", "tlsCert", "tlsKey"];

/** Settings that are answers, one each. Those of questions that do not matter go; unanswered ones stay. */
function direct(questions: readonly Question[], answers: Answers): Setting[] {
  return questions.flatMap(({ name, variable, when }): Setting[] => {
    if (variable === undefined || (answers.backups === "off" && variable.startsWith("BACKUP_"))) return [];
    if (when && !when(answers)) return [[variable, null]];
    const answer = answers[name];
    if (answer === undefined) return [];
    return [[variable, answer === "" ? null : paths.includes(name) ? resolve(answer) : answer]];
  });
}

const databaseAnswers: readonly Name[] = ["database", "databaseUrl", "databasePassword"];

function database(answers: Answers, { present }: Machine): Setting[] {
  const isOwn = answers.database === "own";
  const asked = isOwn ? databaseAnswers : (["database"] as const);
  if (asked.every((name) => answers[name] === present.answers[name])) return [];
  const parts = ["DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME", "DATABASE_USER"];
  return [
    ["DATABASE_URL", (isOwn && answers.databaseUrl) || null],
    ["DATABASE_PASSWORD", (isOwn && answers.databasePassword) || null],
    ...parts.map((name): Setting => [name, null]),
  ];
}

function mail({ mail }: Answers, { present }: Machine): Setting[] {
  if (mail === undefined || mail === present.answers.mail) return [];
  return [
    ["EMAIL_ENABLED", mail === "smtp" ? "true" : "false"],
    ["EMAIL_PROVIDER", mail === "smtp" ? "smtp" : null],
  ];
}

/** Where the passphrase of the backups is put. */
export const passphraseFile = ({ envFile }: Machine) => join(dirname(envFile), "backup-passphrase");

function encryption({ backupEncryption }: Answers, machine: Machine): Setting[] {
  if (backupEncryption === undefined || backupEncryption === "keep") return [];
  const file = backupEncryption === "none" ? null : passphraseFile(machine);
  return [
    ["BACKUP_RECIPIENT", null],
    ["BACKUP_PASSPHRASE_FILE", file],
  ];
}

function backups(answers: Answers, machine: Machine): Setting[] {
  const { backups, backupSchedule, backupDir, backupKeep } = answers;
  if (backups === undefined) return [];
  if (backups === "off") return [["BACKUP_SCHEDULE", "off"]];
  const isUsual = backups === "usual";
  const folder = isUsual || backupDir === undefined ? join(answers.dataDir ?? "", "backups") : backupDir;
  const numbers = keepNumbers((!isUsual && backupKeep) || "7 4 6");
  return [
    ["BACKUP_SCHEDULE", (!isUsual && backupSchedule) || "03:30"],
    ["BACKUP_DIR", resolve(folder)],
    ...keepSettings.map((name, at): Setting => [name, numbers[at] ?? null]),
    ...encryption(answers, machine),
  ];
}

/** Said once: who may register, and a signing key, which a server that ran already has in its database. */
function firstOnes({ present }: Machine): Setting[] {
  const isSaid = isSet(presentText(settingNamed("REGISTRATION"), present.environment));
  return [
    ...(isSaid ? [] : [["REGISTRATION", "closed"] as const]),
    ...(present.text === "" ? [["JWT_SECRET", randomBytes(48).toString("base64url")] as const] : []),
  ];
}

/** What the answers mean for the env file. */
export function settingsOf(
  questions: readonly Question[],
  answers: Answers,
  machine: Machine,
): ReadonlyMap<string, string | null> {
  const url = answers.publicUrl?.replace(/\/+$/, "");
  return new Map<string, string | null>([
    ...direct(questions, answers),
    ...(url === undefined ? [] : [["PUBLIC_URL", url || null] as const]),
    ...(answers.reach === undefined
      ? []
      : [["ALLOW_PLAIN_HTTP", answers.reach === "lan" ? "true" : null] as const]),
    ...database(answers, machine),
    ...mail(answers, machine),
    ...backups(answers, machine),
    ...firstOnes(machine),
  ]);
}

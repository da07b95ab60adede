import { join, resolve } from "node:path";
import { z } from "zod";
import { backupBucket, examineBucket } from "../checks/bucket.ts";
import { examineFolder } from "../checks/folder.ts";
import { type Answers, type Question, type Section, settingNamed } from "../question.ts";
import { bucketQuestions } from "./photos.ts";

/** Names of the settings that the three numbers go to. */
export const keepSettings = ["BACKUP_KEEP_DAILY", "BACKUP_KEEP_WEEKLY", "BACKUP_KEEP_MONTHLY"] as const;

/** The three numbers of an answer such as `7 4 6`. */
export const keepNumbers = (text: string): string[] => text.trim().split(/[\s,/]+/);

const keep = z.string().refine((text) => {
  const numbers = keepNumbers(text);
  return (
    numbers.length === 3 &&
    keepSettings.every((name, at) => settingNamed(name).read.safeParse(numbers[at]).success)
  );
}, "must be three whole numbers: days (at least 1), weeks and months, such as 7 4 6");

const isOn = ({ backups }: Answers) => backups !== "off";
const isOther = ({ backups }: Answers) => backups === "other";
const isCopied = (answers: Answers) => isOn(answers) && answers.backupCopy === "s3";

const usualSchedule = "03:30";
const usualKeep = "7 4 6";
const usualFolder = ({ dataDir = "" }: Answers) => join(resolve(dataDir), "backups");

/** What follows from the answers that are there: as usual unless one of them says otherwise. */
function usualBackups(answers: Answers): string {
  const { backupSchedule, backupDir = usualFolder(answers), backupKeep = usualKeep } = answers;
  if (/^(off|never)$/i.test(backupSchedule ?? "")) return "off";
  const isUsual = (backupSchedule ?? usualSchedule).replace(" daily", "") === usualSchedule;
  return isUsual && resolve(backupDir) === usualFolder(answers) && backupKeep === usualKeep
    ? "usual"
    : "other";
}

const encryption: Question = {
  name: "backupEncryption",
  flag: "backup-encryption <how>",
  ask: "Shall backups be encrypted?",
  about: "made: a passphrase is made up; typed: yours, by --backup-passphrase-file; keep: the present one",
  kind: "choice",
  choices: [
    { value: "none", label: "No", hint: "anybody who has them can read and restore them" },
    { value: "made", label: "With a passphrase that is made up now" },
    { value: "typed", label: "With a passphrase of mine" },
    { value: "keep", label: "As they are now", onlyIfUsual: true },
  ],
  when: isOn,
  // Who loses this machine loses a passphrase that nobody copied: only what leaves the machine is encrypted unasked.
  impliedBy: { typed: ["backupPassphrase"] },
  fallback: (answers) => (isCopied(answers) ? "made" : "none"),
};

/** When, where and how many backups are made. */
export const backupsSection: Section = {
  title: "Backups",
  questions: [
    {
      name: "backups",
      flag: "backups <plan>",
      ask: "Backups?",
      about: "usual: every night; other: as the flags below say; off: none",
      kind: "choice",
      choices: [
        {
          value: "usual",
          label: "Every night at 03:30, in the data folder",
          hint: "7 days, 4 weeks, 6 months are kept",
        },
        { value: "other", label: "At other times, or elsewhere", hint: "best on another disk" },
        { value: "off", label: "None by itself" },
      ],
      impliedBy: { other: ["backupSchedule", "backupDir", "backupKeep"] },
      fallback: usualBackups,
    },
    {
      name: "backupSchedule",
      flag: "backup-schedule <when>",
      ask: "When? A time of day, or a cron pattern",
      about: "when backups are made: a time of day, or a cron pattern",
      kind: "text",
      variable: "BACKUP_SCHEDULE",
      when: isOther,
      fallback: () => usualSchedule,
    },
    {
      name: "backupDir",
      flag: "backup-dir <folder>",
      ask: "Where? Best on another disk",
      about: "folder of the backups",
      kind: "text",
      variable: "BACKUP_DIR",
      when: isOther,
      fallback: usualFolder,
    },
    {
      name: "backupKeep",
      flag: "backup-keep <numbers>",
      ask: "How many days, weeks and months shall be kept?",
      about: 'how many days, weeks and months are kept, such as "7 4 6"',
      kind: "text",
      read: keep,
      when: isOther,
      fallback: () => usualKeep,
    },
    {
      name: "backupCopy",
      flag: "backup-copy <where>",
      ask: "A second copy elsewhere?",
      about: "a second copy of every backup",
      kind: "choice",
      choices: [
        { value: "none", label: "No" },
        { value: "s3", label: "In S3 or MinIO", hint: "survives the loss of this machine" },
      ],
      when: isOn,
      impliedBy: { s3: ["backupEndpoint", "backupBucket", "backupAccessKey", "backupSecretKey"] },
      fallback: () => "none",
    },
    ...bucketQuestions(
      {
        endpoint: "backupEndpoint",
        region: "backupRegion",
        bucket: "backupBucket",
        accessKey: "backupAccessKey",
        secretKey: "backupSecretKey",
      },
      { flag: "backup-s3", setting: "BACKUP_S3", what: "the second copy" },
      isCopied,
    ),
    encryption,
    {
      name: "backupPassphrase",
      flag: "backup-passphrase-file <file>",
      ask: "Passphrase",
      about: "file with the passphrase of the backups",
      kind: "secret",
      read: settingNamed("BACKUP_PASSPHRASE").read,
      twice: true,
      when: (answers) => isOn(answers) && answers.backupEncryption === "typed",
    },
  ],
  async check(answers, machine, config) {
    const folder = resolve(answers.backupDir ?? usualFolder(answers));
    const needs = { minimum: 200e6, runsPrograms: false };
    const problems = isOther(answers) ? examineFolder(folder, machine, needs) : [];
    if (answers.backupEncryption === "keep" && machine.present.answers.backupEncryption !== "keep")
      problems.push({ message: "Backups are not encrypted now, so there is no passphrase to keep." });
    if (!isCopied(answers)) return { problems };
    const found = await examineBucket(backupBucket(config()));
    return { ...found, problems: [...problems, ...found.problems] };
  },
};

import { readFileSync } from "node:fs";
import { Option } from "commander";
import { readStandardInput } from "../password-source.ts";
import { UsageError } from "../with-context.ts";
import { withoutPassword } from "./present.ts";
import { type Answers, faultOf, flagName, type Name, type Question } from "./question.ts";
import { questions } from "./sections.ts";

/** Values of commander's options by their names in camel case. */
export type Given = Readonly<Record<string, unknown>>;

const optionOf = ({ flag, about, choices }: Question) =>
  choices
    ? new Option(`--${flag}`, about).choices(choices.map(({ value }) => value))
    : new Option(`--${flag}`, about);

const urlFile = new Option(
  "--database-url-file <file>",
  "file with that address, the password in it",
).conflicts(["databaseUrl", "databasePasswordFile"]);
const passwordFromStdin = new Option(
  "--password-stdin",
  "read the password of the account from standard input",
).conflicts("passwordFile");

/** A flag for every question, and what they have in common. Secrets come from files, `-` being standard input. */
export const options: readonly Option[] = [...questions.map(optionOf), urlFile, passwordFromStdin];

/** Reads what a flag names. @throws UsageError */
async function readSecret(flag: string, path: string): Promise<string> {
  if (path === "-") return readStandardInput();
  try {
    return readFileSync(path, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    throw new UsageError(`${flag} ${path} cannot be read (${(error as { code?: string }).code ?? "error"}).`);
  }
}

async function readAnswer(question: Question, value: unknown): Promise<string> {
  const text = String(value);
  return question.kind === "secret" ? readSecret(flagName(question), text) : text.trim();
}

/** The database's address goes without its password; that is taken from a file only. */
async function readDatabase(given: Given): Promise<Answers> {
  const path = given[urlFile.attributeName()];
  if (typeof path === "string") {
    const { url, password } = withoutPassword((await readSecret("--database-url-file", path)).trim());
    return { databaseUrl: url, databasePassword: password ?? "" };
  }
  if (typeof given.databaseUrl !== "string" || withoutPassword(given.databaseUrl).password === undefined)
    return {};
  throw new UsageError(
    "--database-url holds a password, which every user of this machine could read: give the address by --database-url-file, or the password by --database-password-file.",
  );
}

/** Two secrets cannot both come from standard input. */
function requireOneReader(given: Given): void {
  const readers = Object.values(given).filter((value) => value === "-").length;
  if (readers + (given.passwordStdin ? 1 : 0) > 1)
    throw new UsageError("Only one secret can come from standard input. Put the others into files.");
}

/**
 * The answers that are given by flags, each one read and found good by itself.
 * @throws UsageError
 */
export async function readFlags(given: Given): Promise<Answers> {
  requireOneReader(given);
  const answers: Partial<Record<Name, string>> = {};
  for (const question of questions) {
    const value = given[optionOf(question).attributeName()];
    if (value !== undefined) answers[question.name] = await readAnswer(question, value);
  }
  if (given.passwordStdin) answers.password = await readStandardInput();
  Object.assign(answers, await readDatabase(given));
  for (const question of questions) {
    const fault = answers[question.name] !== undefined && faultOf(question, answers[question.name] as string);
    if (fault) throw new UsageError(`${flagName(question)} ${fault}.`);
  }
  return answers;
}

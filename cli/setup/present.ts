import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseEnv } from "node:util";
import { ConfigError, type Environment, isSet } from "../../src/config/config.ts";
import type { Variable } from "../../src/config/variable.ts";
import { parseDatabaseUrl } from "../../src/database/client.ts";
import { type Answers, type Question, settingNamed } from "./question.ts";
import { readyFolder, ways } from "./ways.ts";

/** What is set up already. */
export interface Present {
  /** The env file as it stands; empty where there is none. */
  readonly text: string;
  readonly environment: Environment;
  readonly answers: Answers;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "ENOENT") return undefined;
    throw new ConfigError([`The file ${path} cannot be read (${code ?? "error"})`]);
  }
}

/** What a setting is set to, under any of its names or by way of a file; undefined where it is not. */
export function presentText({ names }: Variable, environment: Environment): string | undefined {
  const name = names.find((candidate) => isSet(environment[candidate]));
  if (name) return environment[name];
  const file = names.map((candidate) => environment[`${candidate}_FILE`]).find(isSet);
  return file === undefined ? undefined : read(file)?.trimEnd();
}

const named = (name: string, environment: Environment) => presentText(settingNamed(name), environment);

/** A URL of the database without its password, and that. */
export function withoutPassword(text: string): { url: string; password: string | undefined } {
  if (!URL.canParse(text.replace(/^jdbc:/, ""))) return { url: text, password: undefined };
  const url = new URL(text.replace(/^jdbc:/, ""));
  const { password } = parseDatabaseUrl(url.href);
  url.password = "";
  url.searchParams.delete("password");
  return { url: url.href, password };
}

function presentDatabase(environment: Environment): Answers {
  const of = (name: string) => named(name, environment);
  const host = of("DATABASE_HOST");
  const given = of("DATABASE_URL");
  if (!given && !host) return { database: "embedded" };
  const parts = `postgres://${encodeURIComponent(of("DATABASE_USER") ?? "trailglass")}@${host}:${of("DATABASE_PORT") ?? 5432}/${of("DATABASE_NAME") ?? "trailglass"}`;
  const { url, password = of("DATABASE_PASSWORD") } = withoutPassword(given ?? parts);
  return { database: "own", databaseUrl: url, databasePassword: password ?? "" };
}

/** How phones reach the server is no setting: it shows in several, and in the ready files. */
function presentWay(environment: Environment, folder: string): Answers {
  if (named("TLS_CERT_FILE", environment)) return { reach: "tls" };
  const ready = ways.find(({ file }) => file !== undefined && existsSync(join(folder, file)));
  if (ready) return { reach: ready.name };
  return /^(true|1|yes|on)$/i.test(named("ALLOW_PLAIN_HTTP", environment) ?? "") ? { reach: "lan" } : {};
}

function presentBackups(environment: Environment): Answers {
  const of = (name: string) => named(name, environment);
  const kept = ["DAILY", "WEEKLY", "MONTHLY"].map((name) => of(`BACKUP_KEEP_${name}`));
  const isPlain = !of("BACKUP_PASSPHRASE") && !of("BACKUP_RECIPIENT");
  return {
    ...(kept.some(isSet) && { backupKeep: kept.map((text, at) => text ?? ["7", "4", "6"][at]).join(" ") }),
    backupCopy: of("BACKUP_S3_BUCKET") ? "s3" : "none",
    backupEncryption: isPlain ? "none" : "keep",
  };
}

const serverOf: Record<string, Answers> = {
  sendgrid: { smtpHost: "smtp.sendgrid.net", smtpUsername: "apikey" },
};

function presentMail(environment: Environment): Answers {
  const isOn = /^(true|1|yes|on)$/i.test(named("EMAIL_ENABLED", environment) ?? "");
  const provider = named("EMAIL_PROVIDER", environment)?.toLowerCase() ?? "console";
  return isOn && provider !== "console" ? { mail: "smtp", ...serverOf[provider] } : { mail: "none" };
}

function presentSettings(questions: readonly Question[], environment: Environment): Answers {
  const found = questions.flatMap(({ name, variable, choices }) => {
    const text = variable === undefined ? undefined : named(variable, environment);
    if (variable === undefined || text === undefined) return [];
    const word = choices && settingNamed(variable).read.safeParse(text);
    return [[name, word ? String(word.data) : text]];
  });
  return Object.fromEntries(found);
}

/**
 * Reads what is set up already.
 * @throws ConfigError when the env file is there and cannot be read
 */
export function readPresent(envFile: string, questions: readonly Question[]): Present {
  const text = read(envFile) ?? "";
  const environment = parseEnv(text) as Environment;
  if (text === "") return { text, environment, answers: {} };
  const answers: Answers = {
    ...presentMail(environment),
    ...presentSettings(questions, environment),
    ...presentDatabase(environment),
    ...presentWay(environment, join(dirname(envFile), readyFolder)),
    ...presentBackups(environment),
  };
  return { text, environment, answers };
}

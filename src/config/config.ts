import type { Variable } from "./variable.ts";
import { variables } from "./variables.ts";

type Values = { [K in keyof typeof variables]: (typeof variables)[K] extends Variable<infer T> ? T : never };

/** Everything that can be set, read and checked. Frozen: nothing changes it after the start. */
export type Config = Readonly<Omit<Values, "dataDir"> & { dataDir: string }>;

/** Names and values of the environment, or of an env file. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** All that is wrong with the configuration, at once. Exit code 78. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(
      `The configuration has ${problems.length === 1 ? "a problem" : "problems"}:\n  ${problems.join("\n  ")}`,
    );
  }
}

export interface ConfigSources {
  readonly environment: Environment;
  /** Reads a file named by a `NAME_FILE` variable; throws when it cannot. */
  readonly readFile: (path: string) => string;
  /** Where data goes when DATA_DIR is not set. */
  readonly defaultDataDir: string;
}

/** Whether a variable says anything: an empty one is as good as none. */
export const isSet = (value: string | undefined): value is string => value !== undefined && value !== "";

/** A variable as it is set: by its text, or by a file that holds it. Neither where nothing is set and no default is. */
export interface Found {
  readonly name: string;
  readonly text?: string;
  readonly file?: string;
}

/** Where a variable is set, and to what. */
export function find({ names, fallback }: Variable, environment: Environment): Found {
  const name = names.find((candidate) => isSet(environment[candidate]));
  if (name) return { name, text: environment[name] as string };
  const byFile = names.map((candidate) => `${candidate}_FILE`).find((name) => isSet(environment[name]));
  if (byFile) return { name: byFile, file: environment[byFile] as string };
  return { name: names[0], ...(fallback !== undefined && { text: fallback }) };
}

/** The text of a variable; undefined where there is none. @throws when its file cannot be read */
export function textOf({ text, file }: Found, { readFile }: ConfigSources): string | undefined {
  return file === undefined ? text : readFile(file).trimEnd();
}

function readVariable(variable: Variable, sources: ConfigSources, problems: string[]): unknown {
  const found = find(variable, sources.environment);
  try {
    const text = textOf(found, sources);
    if (text === undefined) return undefined;
    const result = variable.read.safeParse(text);
    if (result.success) return result.data;
    // Only the rule is named, never the value: it may be a secret in the wrong place.
    problems.push(`${found.name} ${result.error.issues[0]?.message ?? "is not valid"}`);
  } catch (error) {
    problems.push(`${found.name} cannot be read (${(error as { code?: string }).code ?? "error"})`);
  }
  return undefined;
}

/** What a mail server needs beside its port, as far as nothing was said about it yet. */
function mailProblems(values: Values, told: readonly string[]): string[] {
  const { emailProvider, smtpHost, smtpFromEmail, smtpUsername, smtpPassword } = values;
  const isSendgrid = emailProvider === "sendgrid";
  const missing = [
    ...(smtpHost || isSendgrid ? [] : [`SMTP_HOST is needed when EMAIL_PROVIDER is ${emailProvider}`]),
    ...(smtpFromEmail ? [] : [`SMTP_FROM_EMAIL is needed when EMAIL_PROVIDER is ${emailProvider}`]),
    ...(Boolean(smtpUsername || (isSendgrid && smtpPassword)) === Boolean(smtpPassword)
      ? []
      : ["SMTP_USERNAME and SMTP_PASSWORD go together: set both or neither"]),
  ];
  const nameOf = (problem: string) => problem.split(" ")[0];
  return missing.filter((problem) => !told.some((other) => nameOf(other) === nameOf(problem)));
}

/**
 * Reads the configuration from its sources.
 * @throws ConfigError naming every problem at once.
 */
export function readConfig(sources: ConfigSources): Config {
  const problems: string[] = [];
  const values = Object.fromEntries(
    Object.entries(variables).map(([key, variable]) => [key, readVariable(variable, sources, problems)]),
  ) as Values;
  if (Boolean(values.tlsCertFile) !== Boolean(values.tlsKeyFile)) {
    problems.push("TLS_CERT_FILE and TLS_KEY_FILE go together: set both or neither");
  }
  if (values.storageBackend === "s3" && !(values.storageAccessKey && values.storageSecretKey)) {
    problems.push("STORAGE_ACCESS_KEY and STORAGE_SECRET_KEY are needed when STORAGE_BACKEND is s3");
  }
  if (values.emailEnabled && values.emailProvider !== "console")
    problems.push(...mailProblems(values, problems));
  if (Boolean(values.cloudflareAccessTeamDomain) !== Boolean(values.cloudflareAccessAud)) {
    problems.push("CLOUDFLARE_ACCESS_TEAM_DOMAIN and CLOUDFLARE_ACCESS_AUD go together: set both or neither");
  }
  if (Boolean(values.cloudflareAccessClientId) !== Boolean(values.cloudflareAccessClientSecret)) {
    problems.push(
      "CLOUDFLARE_ACCESS_CLIENT_ID and CLOUDFLARE_ACCESS_CLIENT_SECRET go together: set both or neither",
    );
  }
  if (values.backupPassphrase && values.backupRecipient) {
    problems.push("BACKUP_PASSPHRASE and BACKUP_RECIPIENT exclude each other: set one");
  }
  if (values.backupS3Bucket && !(values.backupS3AccessKey && values.backupS3SecretKey)) {
    problems.push("BACKUP_S3_ACCESS_KEY and BACKUP_S3_SECRET_KEY are needed when BACKUP_S3_BUCKET is set");
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze({ ...values, dataDir: values.dataDir ?? sources.defaultDataDir });
}

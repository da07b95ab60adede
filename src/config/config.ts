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

const isSet = (value: string | undefined): value is string => value !== undefined && value !== "";

function textOf(
  variable: Variable,
  { environment, readFile }: ConfigSources,
): { name: string; text?: string } {
  const name = variable.names.find((candidate) => isSet(environment[candidate]));
  if (name) return { name, text: environment[name] as string };
  const byFile = variable.names.find((candidate) => isSet(environment[`${candidate}_FILE`]));
  if (byFile) return { name: byFile, text: readFile(environment[`${byFile}_FILE`] as string).trimEnd() };
  return variable.fallback === undefined
    ? { name: variable.names[0] }
    : { name: variable.names[0], text: variable.fallback };
}

function readVariable(variable: Variable, sources: ConfigSources, problems: string[]): unknown {
  try {
    const { name, text } = textOf(variable, sources);
    if (text === undefined) return undefined;
    const result = variable.read.safeParse(text);
    if (result.success) return result.data;
    // Only the rule is named, never the value: it may be a secret in the wrong place.
    problems.push(`${name} ${result.error.issues[0]?.message ?? "is not valid"}`);
  } catch (error) {
    problems.push(
      `${variable.names[0]}_FILE cannot be read (${(error as { code?: string }).code ?? "error"})`,
    );
  }
  return undefined;
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
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze({ ...values, dataDir: values.dataDir ?? sources.defaultDataDir });
}

import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { parseEnv } from "node:util";
import {
  type Config,
  ConfigError,
  type ConfigSources,
  type Environment,
  isSet,
  readConfig,
} from "../src/config/config.ts";
import { warnUnknown } from "../src/config/describe.ts";
import type { Variable } from "../src/config/variable.ts";
import { variables } from "../src/config/variables.ts";

const usualFiles = ["/etc/trailglass/trailglass.env", "./trailglass.env"];

const codeOf = (error: unknown) => (error as { code?: string }).code ?? "error";

function unreadable(path: string, error: unknown): ConfigError {
  const code = codeOf(error);
  const isClosed = code === "EACCES" && usualFiles.includes(path);
  const advice = isClosed ? ": run this with sudo, or name another file with --config" : "";
  return new ConfigError([`The env file ${path} cannot be read (${code})${advice}`]);
}

/** Takes a text apart that is meant to be an env file. @throws ConfigError where it is something else, such as UTF-16 */
function parseEnvFile(path: string, text: string): Environment {
  if (!text.includes("\0")) return parseEnv(text) as Environment;
  throw new ConfigError([`The env file ${path} is no text in UTF-8: save it as that`]);
}

function readEnvFile(path: string): Environment {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw unreadable(path, error);
  }
  return parseEnvFile(path, text);
}

/** Whether there is one. What may not be looked at is not as good as nothing: a new server would be begun beside it. */
function isThere(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return false;
    throw unreadable(path, error);
  }
}

/**
 * The env file that settings come from: the named one, else one of the usual places; null where there is none.
 * @throws ConfigError where that cannot be told
 */
export function findEnvFile(option: string | undefined): string | null {
  const named = option ?? process.env.TRAILGLASS_CONFIG;
  return named || (usualFiles.find(isThere) ?? null);
}

/**
 * The environment over the env file: what the environment sets, by whatever name or as `NAME_FILE`, the file does not
 * set as well. An empty value sets nothing.
 */
export function layered(environment: Environment, file: Environment): Environment {
  const namesOf = ({ names }: Variable) => names.flatMap((name) => [name, `${name}_FILE`]);
  const settled = Object.values(variables)
    .map(namesOf)
    .filter((names) => names.some((name) => isSet(environment[name])))
    .flat();
  const left = Object.entries(file).filter(([name]) => !settled.includes(name));
  return Object.fromEntries([...left, ...Object.entries(environment).filter(([, value]) => isSet(value))]);
}

function defaultDataDir(): string {
  const installed = "/var/lib/trailglass";
  try {
    accessSync(installed, constants.W_OK);
    if (statSync(installed).isDirectory()) return installed;
  } catch {
    // Not installed as a service: data stays beside where the program runs.
  }
  return resolve("data");
}

/**
 * The environment, and the env file beneath it: `--config`, else TRAILGLASS_CONFIG, else the usual places.
 * @throws ConfigError when the file cannot be read
 */
export function readSources(envFile: string | undefined): ConfigSources {
  const file = findEnvFile(envFile);
  return {
    environment: layered(process.env, file === null ? {} : readEnvFile(file)),
    readFile: (path) => readFileSync(path, "utf8"),
    defaultDataDir: defaultDataDir(),
  };
}

/** The configuration as it is in force here: with whole paths, and logs for whoever reads them. @throws ConfigError */
export function configFrom(sources: ConfigSources): Config {
  const config = readConfig(sources);
  const pretty = process.stdout.isTTY || config.environment === "development";
  return Object.freeze({
    ...config,
    dataDir: resolve(config.dataDir),
    logFormat: config.logFormat ?? (pretty ? "pretty" : "json"),
  });
}

/** Reads the configuration. Warnings about misspelt names go to standard error. @throws ConfigError */
export function loadConfig(envFile: string | undefined): Config {
  const sources = readSources(envFile);
  for (const warning of warnUnknown(Object.keys(sources.environment))) console.error(`Warning: ${warning}`);
  return configFrom(sources);
}

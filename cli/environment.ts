import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { parseEnv } from "node:util";
import { type Config, ConfigError, type Environment, isSet, readConfig } from "../src/config/config.ts";
import { warnUnknown } from "../src/config/describe.ts";
import type { Variable } from "../src/config/variable.ts";
import { variables } from "../src/config/variables.ts";

const usualFiles = ["/etc/trailglass/trailglass.env", "./trailglass.env"];

function readEnvFile(path: string): Environment {
  try {
    return parseEnv(readFileSync(path, "utf8")) as Environment;
  } catch (error) {
    throw new ConfigError([
      `The env file ${path} cannot be read (${(error as { code?: string }).code ?? "error"})`,
    ]);
  }
}

function findEnvFile(option: string | undefined): Environment {
  const named = option ?? process.env.TRAILGLASS_CONFIG;
  if (named) return readEnvFile(named);
  const usual = usualFiles.find((path) => existsSync(path));
  return usual ? readEnvFile(usual) : {};
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
 * Reads the configuration: the environment first, then the env file (`--config`, else TRAILGLASS_CONFIG, else
 * the usual places). Warnings about misspelt names go to standard error.
 * @throws ConfigError
 */
export function loadConfig(envFile: string | undefined): Config {
  const environment = layered(process.env, findEnvFile(envFile));
  for (const warning of warnUnknown(Object.keys(environment))) console.error(`Warning: ${warning}`);
  const config = readConfig({
    environment,
    readFile: (path) => readFileSync(path, "utf8"),
    defaultDataDir: defaultDataDir(),
  });
  const pretty = process.stdout.isTTY || config.environment === "development";
  return Object.freeze({
    ...config,
    dataDir: resolve(config.dataDir),
    logFormat: config.logFormat ?? (pretty ? "pretty" : "json"),
  });
}

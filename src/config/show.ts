import { type ConfigSources, type Environment, find, isSet, textOf } from "./config.ts";
import { redactSetting } from "./redact.ts";
import type { Variable } from "./variable.ts";
import { variables } from "./variables.ts";

/** A setting as a person may see it. */
export interface ShownSetting {
  /** The documented name. */
  readonly name: string;
  /** Secrets as `(set)`, URLs without their passwords; null when nothing is set or what is set is no good. */
  readonly value: string | null;
  readonly source: "environment" | "env file" | "default";
  /** The name that it is set by, where it is: an older one, or one with `_FILE`. */
  readonly setBy: string | null;
  /** What stands there when nothing is set. */
  readonly fallback: string;
  readonly problem: string | null;
}

type Reading = Pick<ShownSetting, "value" | "problem">;

function readShown(variable: Variable, sources: ConfigSources): Reading {
  try {
    const text = textOf(find(variable, sources.environment), sources);
    if (text === undefined) return { value: null, problem: null };
    const { success, error } = variable.read.safeParse(text);
    // What is not valid is not shown, either: it may be a secret in the wrong place.
    if (!success) return { value: null, problem: error.issues[0]?.message ?? "is not valid" };
    return { value: redactSetting(text, variable.secret), problem: null };
  } catch (error) {
    return { value: null, problem: `cannot be read (${(error as { code?: string }).code ?? "error"})` };
  }
}

/** Every setting with its value and where it comes from. @param own the environment without the env file */
export function showSettings(sources: ConfigSources, own: Environment): ShownSetting[] {
  return Object.values(variables).map((variable) => {
    const found = find(variable, sources.environment);
    const set = isSet(sources.environment[found.name]);
    const source = !set ? "default" : isSet(own[found.name]) ? "environment" : "env file";
    const { name, fallback } = { name: variable.names[0], fallback: variable.fallbackNote };
    return { name, ...readShown(variable, sources), source, setBy: set ? found.name : null, fallback };
  });
}

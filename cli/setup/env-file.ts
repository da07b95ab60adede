import { parseEnv } from "node:util";
import { type Environment, isSet } from "../../src/config/config.ts";
import { presentText } from "./present.ts";
import { settingNamed } from "./question.ts";

/** What settings shall be: a text by documented name, or null for none. */
export type Settings = ReadonlyMap<string, string | null>;

/** Settings that stand together, under a heading. */
export interface Group {
  readonly title: string;
  readonly names: readonly string[];
}

/** A value that an env file cannot carry. The message is for the person, and does not repeat it. */
export class UnquotableError extends Error {}

const needsNoQuotes = /^[\w./:@%+,=~^-]+$/;

/** Forms in which systemd reads the very value, the plainest first. Source: env-file.c of systemd. */
function formsOf(value: string): string[] {
  const isBare = /^[^\s'"`\\#;][^\\#]*$/.test(value) && value.trim() === value;
  return [
    ...(needsNoQuotes.test(value) ? [value] : []),
    ...(value.includes("'") ? [] : [`'${value}'`]),
    ...(/["\\]/.test(value) ? [] : [`"${value}"`]),
    ...(isBare ? [value] : []),
  ];
}

/**
 * Writes a value so that both our own reader and systemd's EnvironmentFile read the same. They differ in escapes: where
 * systemd has them in double quotes and outside of any, ours has others.
 * @throws UnquotableError
 */
export function quote(name: string, value: string): string {
  if (/[\r\n\0]/.test(value)) throw new UnquotableError(`${name} must be one line`);
  const isReadAlike = (form: string) => parseEnv(`X=${form}\nY=1\n`).X === value;
  const form = formsOf(value).find(isReadAlike);
  if (form !== undefined) return form;
  throw new UnquotableError(
    `${name} holds quotation marks or backslashes that env files cannot carry: choose another, or put it into a file and name that as ${name}_FILE`,
  );
}

interface Entry {
  /** Undefined for comments and empty lines. */
  readonly name: string | undefined;
  readonly lines: readonly string[];
}

/** The quotation mark that a line opens and does not close. */
function openQuote(line: string): string | undefined {
  const value = /^\s*(?:export\s+)?[\w.-]+\s*=\s*(.*)$/.exec(line)?.[1] ?? "";
  const [mark = ""] = value;
  return /['"`]/.test(mark) && !value.slice(1).includes(mark) ? mark : undefined;
}

/** Takes an env file apart. A value in quotes may go over several lines. */
function entriesOf(text: string): Entry[] {
  const entries: Entry[] = [];
  const lines = text.replace(/\n$/, "").split("\n");
  for (let at = 0; at < lines.length; at++) {
    const first = lines[at] as string;
    const mark = openQuote(first);
    const length = mark === undefined ? -1 : lines.slice(at + 1).findIndex((line) => line.includes(mark));
    const own = lines.slice(at, at + 1 + (length + 1));
    entries.push({ name: /^\s*(?:export\s+)?([\w.-]+)\s*=/.exec(first)?.[1], lines: own });
    at += own.length - 1;
  }
  return entries;
}

const namesOf = (name: string) => settingNamed(name).names.flatMap((each) => [each, `${each}_FILE`]);

/** Whether a setting stands in the file as it shall be. */
function isAsWanted(name: string, wanted: string | null, environment: Environment): boolean {
  if (name.endsWith("_FILE") && name in environment) return environment[name] === wanted;
  const variable = variableOf(name);
  const present = variable && presentText(variable, environment);
  if (!isSet(present) || wanted === null) return !isSet(present) && wanted === null;
  const [a, b] = [present, wanted].map((text) => JSON.stringify(variable?.read.safeParse(text).data));
  return a !== undefined && a === b;
}

/** The setting, also where it is named by way of a file. */
function variableOf(name: string) {
  try {
    return settingNamed(name);
  } catch {
    return settingNamed(name.replace(/_FILE$/, ""));
  }
}

const familyOf = (name: string) => namesOf(variableOf(name).names[0] as string);

/** Puts a setting where it stands now, else below the others of its group, else at the end. */
function place(entries: Entry[], group: Group, name: string, value: string): Entry[] {
  const entry: Entry = { name, lines: [`${name}=${quote(name, value)}`] };
  const family = familyOf(name);
  const standing = entries.findIndex((each) => each.name !== undefined && family.includes(each.name));
  const others = entries.filter((each, at) => at === standing || !each.name || !family.includes(each.name));
  if (standing >= 0) return others.with(standing, entry);
  const siblings = group.names.flatMap(familyOf);
  const last = entries.findLastIndex((each) => each.name !== undefined && siblings.includes(each.name));
  if (last >= 0) return entries.toSpliced(last + 1, 0, entry);
  return [...entries, { name: undefined, lines: ["", `# ${group.title}`] }, entry];
}

function remove(entries: Entry[], name: string): Entry[] {
  const family = familyOf(name);
  return entries.filter((each) => each.name === undefined || !family.includes(each.name));
}

/**
 * The env file with settings changed: what is as wanted already, and all that somebody else wrote, stays as it stands.
 * @throws UnquotableError
 */
export function changeEnvFile(
  text: string,
  settings: Settings,
  groups: readonly Group[],
  head: string,
): string {
  const environment = parseEnv(text) as Environment;
  let entries = entriesOf(text === "" ? head : text);
  for (const group of groups) {
    for (const name of group.names) {
      const wanted = settings.get(name);
      if (wanted === undefined || isAsWanted(name, wanted, environment)) continue;
      entries = wanted === null ? remove(entries, name) : place(entries, group, name, wanted);
    }
  }
  return `${entries.flatMap(({ lines }) => lines).join("\n")}\n`;
}

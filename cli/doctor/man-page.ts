import type { Argument, Command, Option } from "commander";
import type { Variable } from "../../src/config/variable.ts";
import { variables } from "../../src/config/variables.ts";
import { program as facts } from "../../src/version.ts";
import { exitMeanings } from "../exit-meanings.ts";
import { type CommandNode, flatten, readTree } from "./command-tree.ts";

/** A text for troff: nothing in it is a request, an escape, or a hyphen where a minus is meant. */
function escapeText(text: string): string {
  const escaped = text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/…/g, "...");
  return escaped
    .replace(
      /[^\x20-\x7e]/gu,
      (sign) => `\\[u${sign.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")}]`,
    )
    .replace(/^([.'])/gm, "\\&$1");
}

const bold = (text: string) => `\\fB${escapeText(text)}\\fR`;
/** Names between backticks are bold. */
const prose = (text: string) =>
  text
    .split("`")
    .map((part, index) => (index % 2 === 1 ? bold(part) : escapeText(part)))
    .join("");
/** A line that begins with text, whatever that is. */
const line = (text: string) => (/^[.']/.test(text) ? `\\&${text}` : text);

const item = (title: string, text: string) => `.TP\n${title}\n${line(text)}`;
const section = (title: string, ...parts: readonly string[]) => [`.SH ${title}`, ...parts].join("\n");

const named = (argument: Argument) => {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `\\fI${escapeText(name)}\\fR` : `[\\fI${escapeText(name)}\\fR]`;
};

function usage({ path, arguments: given, options, commands }: CommandNode): string {
  const parts = [
    bold(["trailglass", ...path].join(" ")),
    ...(options.length > 0 ? ["[\\fIoptions\\fR]"] : []),
    ...given.map(named),
    ...(commands.length > 0 ? ["\\fIcommand\\fR"] : []),
  ];
  return parts.join(" ");
}

/** Flags as they are typed: names bold, values slanted. */
function flags({ flags: text }: Option): string {
  return text.replace(/[^\s,]+/g, (word) =>
    word.startsWith("-") ? bold(word) : `\\fI${escapeText(word.replace(/[<>]/g, ""))}\\fR`,
  );
}

function optionItem(option: Option): string {
  const choices = option.argChoices ? ` (${option.argChoices.join(", ")})` : "";
  return item(flags(option), prose(`${option.description}${choices}`));
}

function commandPart(node: CommandNode): string {
  const own = node.options.filter(({ long }) => long !== "--config" && long !== "--help");
  const text = node.command.description();
  return [`.SS ${usage(node)}`, line(prose(text)), ...own.map(optionItem)].join("\n");
}

function variableItem({ names: [name, ...others], fallbackNote, doc }: Variable): string {
  const also = others.length > 0 ? ` Also ${others.map((other) => `\`${other}\``).join(", ")}.` : "";
  return item(bold(name), `${prose(`${doc}${also}`)} Default: ${prose(fallbackNote)}.`);
}

const files = [
  [
    "/etc/trailglass/trailglass.env",
    "The env file, where neither --config nor TRAILGLASS_CONFIG names one; after it ./trailglass.env.",
  ],
  [
    "/var/lib/trailglass",
    "DATA_DIR where it exists, else ./data: the embedded database, pictures that are stored as files, and, in `backups`, the backups.",
  ],
] as const;

/** The manual page in troff, of the commands, the settings and the exit codes as they are. */
export function manPage(program: Command): string {
  const [root, ...commands] = flatten(readTree(program)) as [CommandNode, ...CommandNode[]];
  const day = (facts.builtAt ?? "").slice(0, 10);
  const environment =
    "Settings are read from the environment, and from an env file beneath it, one NAME=value a line. Any of them may be given as NAME_FILE, with the path of a file that holds the value. Time spans are written 90s, 15m, 12h or 30d.";
  return [
    `.TH TRAILGLASS 1 "${day}" "trailglass ${escapeText(facts.version)}" "User Commands"`,
    section("NAME", `trailglass \\- ${escapeText(program.description().replace(/\.$/, ""))}`),
    section("SYNOPSIS", usage(root)),
    section(
      "DESCRIPTION",
      line(
        prose(`${program.description()} One program: the server, and what an administrator needs beside it.`),
      ),
    ),
    section("OPTIONS", ...root.options.map(optionItem)),
    section("COMMANDS", ...commands.map(commandPart)),
    section("ENVIRONMENT", line(prose(environment)), ...Object.values(variables).map(variableItem)),
    section("FILES", ...files.map(([path, text]) => item(bold(path), prose(text)))),
    section("EXIT STATUS", ...exitMeanings.map(([code, text]) => item(bold(String(code)), prose(text)))),
  ].join("\n");
}

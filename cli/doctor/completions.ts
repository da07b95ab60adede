import type { Command, Option } from "commander";
import { type CommandNode, flatten, isPath, readTree, takesValue } from "./command-tree.ts";

/** A text within single quotes, for any of the shells. */
const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
const fishQuote = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

const optionNames = ({ short, long }: Option) => [short, long].filter((name) => name !== undefined);
const firstArgument = ({ arguments: [first] }: CommandNode) => first?.argChoices ?? [];
const wordsOf = ({ commands, ...node }: CommandNode) => [
  ...commands.map(({ command }) => command.name()),
  ...firstArgument({ commands, ...node }),
];

/** What comes after an option: `files`, one of some words, or whatever the person likes. */
function valuesOf(option: Option): { kind: "files" | "words" | "any"; words: readonly string[] } {
  if (option.argChoices) return { kind: "words", words: option.argChoices };
  return { kind: isPath(option.flags) ? "files" : "any", words: [] };
}

function bashValues({ path, options }: CommandNode): string[] {
  return options.filter(takesValue).map((option) => {
    const { kind, words } = valuesOf(option);
    const patterns = optionNames(option).map((name) => quote(`${path.join(" ")}:${name}`));
    const action =
      kind === "files"
        ? 'compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur")'
        : `mapfile -t COMPREPLY < <(compgen -W ${quote(words.join(" "))} -- "$cur")`;
    return `    ${patterns.join("|")}) ${action}; return ;;`;
  });
}

function bashWords(node: CommandNode): string {
  const options = node.options.flatMap(optionNames).join(" ");
  return `    ${quote(node.path.join(" "))}) words=${quote(wordsOf(node).join(" "))} options=${quote(options)} ;;`;
}

/** Patterns of options after which the next word is no command. */
function valueTakers(nodes: readonly CommandNode[]): string {
  const names = nodes.flatMap(({ options }) => options.filter(takesValue).flatMap(optionNames));
  return [...new Set(names)].join("|");
}

/** Needs no bash-completion, evaluates nothing that was typed, and starts no program. */
function bashScript(nodes: readonly CommandNode[]): string {
  const paths = nodes.filter(({ path }) => path.length > 0).map(({ path }) => quote(path.join(" ")));
  return `# bash completion of trailglass. Load it with: source <(trailglass completions bash)
_trailglass() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path='' words='' options='' i next
  # Bash takes "--name=value" apart at the sign.
  if [[ $prev == '=' ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}
  elif [[ $cur == '=' ]]; then cur=''
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
    ${valueTakers(nodes)}) [[ \${COMP_WORDS[i+1]} == '=' ]] && ((i++)); ((i++)); continue ;;
    -*) continue ;;
    esac
    next="\${path:+$path }\${COMP_WORDS[i]}"
    case $next in
    ${paths.join("|")}) path=$next ;;
    *) break ;;
    esac
  done
  case "$path:$prev" in
${nodes.flatMap(bashValues).join("\n")}
  esac
  case $path in
${nodes.map(bashWords).join("\n")}
  esac
  [[ $cur == -* ]] && words=$options
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _trailglass trailglass
`;
}

/** A text within a specification of zsh's \`_arguments\`, where colons and brackets mean something. */
const zshText = (text: string) => text.replace(/[[\]:\\]/g, "\\$&");

function zshOption(option: Option): string[] {
  const { kind, words } = valuesOf(option);
  const action = kind === "files" ? "_files" : kind === "words" ? `(${words.join(" ")})` : " ";
  const value = takesValue(option) ? `:${zshText(option.attributeName())}:${action}` : "";
  const names = optionNames(option);
  const others = names.length > 1 ? `(${names.join(" ")})` : "";
  return names.map((name) =>
    quote(
      `${others}${name}${takesValue(option) && name.startsWith("--") ? "=" : ""}[${zshText(option.description)}]${value}`,
    ),
  );
}

const zshName = ({ path }: CommandNode) => ["_trailglass", ...path].join("__").replaceAll("-", "_");

function zshFunction(node: CommandNode): string {
  const options = node.options.flatMap(zshOption);
  const call = (specs: readonly string[]) => `  _arguments -s ${specs.join(" \\\n    ")}`;
  if (node.commands.length === 0) {
    const values = firstArgument(node);
    const rest = values.length > 0 ? [quote(`1:${node.arguments[0]?.name()}:(${values.join(" ")})`)] : [];
    return `${zshName(node)}() {\n${call([...options, ...rest])}\n}`;
  }
  const described = node.commands.map(({ command }) =>
    quote(`${command.name()}:${command.description().replaceAll(":", "\\:")}`),
  );
  const cases = node.commands.map((child) => `    ${child.command.name()}) ${zshName(child)} ;;`);
  return `${zshName(node)}() {
  local -a commands line
  local state curcontext=$curcontext
  commands=(
    ${described.join("\n    ")}
  )
${call(["-C", ...options, "'1: :->command'", "'*:: :->rest'"])}
  case $state in
  command) _describe -t commands command commands ;;
  rest)
    case $words[1] in
${cases.join("\n")}
    esac ;;
  esac
}`;
}

function zshScript(nodes: readonly CommandNode[]): string {
  return `#compdef trailglass
# zsh completion of trailglass. Put it into a folder of $fpath as _trailglass, or: source <(trailglass completions zsh)
${nodes.map(zshFunction).join("\n")}
if [[ $funcstack[1] == _trailglass ]]; then
  _trailglass "$@"
else
  compdef _trailglass trailglass
fi
`;
}

/** When fish offers something: behind a command's words, and for its subcommands right behind them. */
const fishCondition = ({ path }: CommandNode, isOption: boolean) =>
  ` -n ${fishQuote(["__trailglass_at", isOption && path.length > 0 ? "within" : "behind", ...path].join(" "))}`;

function fishOption(node: CommandNode, option: Option): string {
  const { kind, words } = valuesOf(option);
  const names = [
    option.short && ` -s ${option.short.slice(1)}`,
    option.long && ` -l ${option.long.slice(2)}`,
  ];
  const values =
    kind === "files" ? " -r -F" : words.length > 0 ? ` -x -a ${fishQuote(words.join(" "))}` : " -x";
  const name = names.filter(Boolean).join("");
  return `complete -c trailglass${fishCondition(node, true)}${name}${takesValue(option) ? values : ""} -d ${fishQuote(option.description)}`;
}

function fishLines(node: CommandNode): string[] {
  const offers = [
    ...node.commands.map(({ command }) => [command.name(), command.description()] as const),
    ...firstArgument(node).map((word) => [word, ""] as const),
  ];
  const condition = fishCondition(node, false);
  return [
    ...offers.map(([word, text]) => `complete -c trailglass${condition} -a ${word} -d ${fishQuote(text)}`),
    ...node.options.map((option) => fishOption(node, option)),
  ];
}

function fishScript(nodes: readonly CommandNode[]): string {
  return `# fish completion of trailglass. Save it as ~/.config/fish/completions/trailglass.fish
function __trailglass_at
  set -l words
  set -l skips 0
  for token in (commandline -opc)[2..-1]
    if test $skips -eq 1
      set skips 0
    else if string match -qr -- '^(${valueTakers(nodes)})$' $token
      set skips 1
    else if not string match -q -- '-*' $token
      set -a words $token
    end
  end
  set -l path $argv[2..-1]
  test "$words" = "$path"; and return
  test $argv[1] = within; and test "$words[1..$(count $path)]" = "$path"
end
complete -c trailglass -e
complete -c trailglass -f
${nodes.flatMap(fishLines).join("\n")}
`;
}

/** The script by which a shell completes this program's commands: made from them, so that it knows them all. */
export function completionScript(program: Command, shell: "bash" | "zsh" | "fish"): string {
  const nodes = flatten(readTree(program));
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](nodes).trimEnd();
}

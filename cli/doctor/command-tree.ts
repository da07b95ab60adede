import type { Argument, Command, Option } from "commander";

/** A command as completions and the manual page tell of it. */
export interface CommandNode {
  /** The words after the program's name; none for the program itself. */
  readonly path: readonly string[];
  readonly command: Command;
  readonly commands: readonly CommandNode[];
  /** Its own and those that every command takes. */
  readonly options: readonly Option[];
  readonly arguments: readonly Argument[];
}

/** Reads the tree of commands, less what is hidden. @param common options of the program that all commands take */
export function readTree(
  command: Command,
  path: readonly string[] = [],
  common: readonly Option[] = [],
): CommandNode {
  const help = command.createHelp();
  const own = help.visibleOptions(command);
  // Version and help are asked of the program itself; which settings are meant concerns every command.
  const passedOn = path.length === 0 ? own.filter(({ long }) => long === "--config") : common;
  const commands = help
    .visibleCommands(command)
    .filter((child) => child.name() !== "help")
    .map((child) => readTree(child, [...path, child.name()], passedOn));
  return { path, command, commands, options: [...own, ...common], arguments: command.registeredArguments };
}

/** Every node of a tree, the root first. */
export function flatten(node: CommandNode): CommandNode[] {
  return [node, ...node.commands.flatMap(flatten)];
}

/** Whether an option is followed by a value. */
export const takesValue = ({ required, optional }: Option) => required || optional;

/** Whether a value is the path of a file or a folder, as its name tells. */
export const isPath = (flags: string) =>
  /<[a-z-]*(file|folder|dir|path)[a-z-]*>|\[[a-z-]*(file|folder|dir|path)/.test(flags);

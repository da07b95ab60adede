import { randomBytes } from "node:crypto";
import { z } from "zod";
import { newPassword } from "../src/accounts/password-rules.ts";
import { parse } from "../src/http/read.ts";
import { isInteractive } from "./terminal.ts";
import { CommandError } from "./with-context.ts";

export interface PasswordOptions {
  passwordStdin?: boolean;
  generate?: boolean;
}

const schema = z.object({ password: newPassword });

/** Without letters and digits that look alike; 32 of them, so that a byte picks one evenly. */
const alphabet = "abcdefghijkmnpqrstuvwxyz23456789";

/** 100 random bits in four groups that a person can read out. */
export function generatePassword(): string {
  const letters = [...randomBytes(20)].map((byte) => alphabet[byte % alphabet.length]).join("");
  return (letters.match(/.{5}/g) as string[]).join("-");
}

/** All of standard input, less the line break that `echo` and editors put at the end. */
export async function readStandardInput(): Promise<string> {
  return (await Bun.stdin.text()).replace(/\r?\n$/, "");
}

async function ask(
  message: string,
  validate?: (text: string | undefined) => string | undefined,
): Promise<string> {
  // Loaded when needed: it takes 20 ms, and most commands, the server above all, never ask anything.
  const { isCancel, password } = await import("@clack/prompts");
  const given = await password({ message, ...(validate && { validate }) });
  if (isCancel(given)) throw new CommandError("Nothing was changed.");
  return given;
}

async function prompt(): Promise<string> {
  const problem = (text = "") => newPassword.safeParse(text).error?.issues[0]?.message;
  const first = await ask("Password", (text) => {
    const found = problem(text);
    return found && `The password ${found}`;
  });
  if ((await ask("The same again")) !== first)
    throw new CommandError("The two passwords differ. Nothing was changed.");
  return first;
}

/**
 * Gets a new password from where the command was told to: made up, standard input, or a prompt. Never from an
 * argument, where every user of the machine and the shell's history would see it.
 * @throws CommandError when there is nobody to ask, AppError when the rules refuse it.
 */
export async function readNewPassword(options: PasswordOptions): Promise<string> {
  if (options.generate) return generatePassword();
  if (options.passwordStdin) return parse(schema, { password: await readStandardInput() }).password;
  if (!isInteractive()) {
    throw new CommandError(
      "There is no terminal to ask for a password. Use --password-stdin to read it from standard input, or --generate to have one made.",
    );
  }
  return parse(schema, { password: await prompt() }).password;
}

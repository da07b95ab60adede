import { type ChildProcess, spawn } from "node:child_process";
import type { Account } from "./account.ts";

/**
 * How a child names the cluster folder: as its file descriptor 3, opened by us and handed down.
 *
 * The kernel follows this link straight to the folder, without looking at the permissions of the folders above it. So
 * a Postgres that runs as another user works below /root or any other folder of mode 700, and a path of any length
 * will do. Each backend is a fork and inherits the descriptor.
 */
export const FOLDER_IN_CHILD = "/proc/self/fd/3";

export interface ChildOptions {
  readonly account: Account;
  /** Becomes descriptor 3. */
  readonly folder?: number;
  readonly stdin?: "ignore" | "pipe";
  readonly stdout?: "ignore" | "pipe";
}

/**
 * Starts a Postgres program as the given account, with none of our environment (it holds secrets), in a session of
 * its own: a Ctrl-C in the terminal is for the server, which stops Postgres when it no longer needs it.
 */
export function spawnPostgres(command: string, args: readonly string[], options: ChildOptions): ChildProcess {
  const { uid, gid, switched } = options.account;
  return spawn(command, args, {
    ...(switched && { uid, gid }),
    cwd: "/",
    detached: true,
    env: { PATH: "/usr/bin:/bin", LC_ALL: "C" },
    stdio: [options.stdin ?? "ignore", options.stdout ?? "ignore", "pipe", options.folder ?? "ignore"],
  });
}

export interface Finished {
  /** Null when a signal ended it or it could not be started at all. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. Never rejects: what prevented the start is in `stderr`. */
export function runPostgresTool(
  command: string,
  args: readonly string[],
  options: ChildOptions & { readonly input?: string },
): Promise<Finished> {
  const stdin = options.input === undefined ? "ignore" : "pipe";
  return new Promise((resolve) => {
    const output = { stdout: "", stderr: "" };
    try {
      const child = spawnPostgres(command, args, { ...options, stdin, stdout: "pipe" });
      child.stdout?.setEncoding("utf8").on("data", (text: string) => (output.stdout += text));
      child.stderr?.setEncoding("utf8").on("data", (text: string) => (output.stderr += text));
      child.on("error", (error) => resolve({ status: null, stdout: "", stderr: error.message }));
      child.on("close", (status) => resolve({ status, ...output }));
      child.stdin?.on("error", () => {}).end(options.input);
    } catch (error) {
      resolve({ status: null, stdout: "", stderr: String(error) });
    }
  });
}

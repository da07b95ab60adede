import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { DatabaseUnavailableError } from "../../src/database/open.ts";
import { CommandError } from "../with-context.ts";
import type { Plan } from "./plan.ts";
import type { Prepared } from "./prepare-database.ts";

/** Name of the command that this program calls itself with. */
export const prepareCommand = "setup-database";

function failure(code: number | null, stderr: string): Error {
  const message = stderr.trim().replace(/^trailglass: /, "") || "The database could not be prepared.";
  return code === 69 ? new DatabaseUnavailableError(message) : new CommandError(message);
}

/** Has the database prepared by the user that will run the server. @throws DatabaseUnavailableError, CommandError */
export async function prepareAsService({ answers, machine }: Plan): Promise<Prepared> {
  const { email = "", displayName = "", password = "" } = answers;
  const account = answers.account === "make" ? { email, displayName, password } : null;
  const [command = "", ...args] = [...machine.program, prepareCommand, "--config", machine.envFile];
  const { account: user } = machine;
  const child = spawn(command, args, {
    ...(user && { uid: user.uid, gid: user.groups[0] }),
    cwd: "/",
    // Nothing of the person's environment: the env file alone is what the server will have.
    env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
    // A Ctrl-C is for setup, which waits for this: it takes a moment only.
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => {}).end(JSON.stringify({ account }));
  const ended = new Promise<number | null>((resolve, reject) =>
    child.on("close", resolve).on("error", reject),
  );
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (code !== 0) throw failure(code, err);
  return JSON.parse(out) as Prepared;
}

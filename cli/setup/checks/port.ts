import type { Machine } from "../machine.ts";
import type { Answers, Problem } from "../question.ts";
import { settingNamed } from "../question.ts";

/** Tries to listen. @returns the code of what prevents it */
function tryToListen(hostname: string, port: number): string | undefined {
  try {
    Bun.listen({ hostname, port, socket: { data() {} } }).stop(true);
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? "error";
  }
}

/** Whether a server of ours answers at a port of this machine. */
export async function isOurs(port: number): Promise<boolean> {
  for (const scheme of ["http", "https"]) {
    try {
      const answer = await fetch(`${scheme}://127.0.0.1:${port}/health`, {
        signal: AbortSignal.timeout(3000),
        tls: { rejectUnauthorized: false },
      });
      const told = (await answer.json()) as { components?: { database?: unknown } };
      if (told.components?.database) return true;
    } catch {
      // Not in this scheme, or nothing of ours.
    }
  }
  return false;
}

/** Whether the port can be listened on. The server of an earlier setup is in nobody's way. */
export async function examinePort({ host = "", port = "" }: Answers, machine: Machine): Promise<Problem[]> {
  const number = Number(port);
  if (number === 0) return [{ message: "Choose a port: on a random one no phone would find the server." }];
  const code = tryToListen(host, number);
  if (code === undefined) return [];
  if (code === "EADDRINUSE") {
    const before = machine.present.answers.port ?? settingNamed("APP_PORT").fallback;
    if (machine.present.text !== "" && before === port && (await isOurs(number))) return [];
    return [{ message: `Port ${port} is taken by another program. Stop it, or choose another port.` }];
  }
  if (code === "EACCES")
    return [
      { message: `Port ${port} may only be used by root. Choose one from 1024 on, or run this with sudo.` },
    ];
  return [{ message: `Nothing can listen on ${host}:${port} (${code}).` }];
}

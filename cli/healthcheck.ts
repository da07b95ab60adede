import { isIPv6 } from "node:net";
import { type Command, InvalidArgumentError } from "commander";
import type { Config } from "../src/config/config.ts";
import { loadConfig } from "./environment.ts";
import { CommandError, type GlobalOptions } from "./with-context.ts";

interface HealthcheckOptions extends GlobalOptions {
  /** Seconds to wait for a server that is still starting. */
  wait?: number;
}

/** Longest wait for one answer, in milliseconds: the server itself waits two seconds for its database. */
const patience = 5_000;
/** Milliseconds between two questions. */
const pause = 250;

/** Where this machine finds the server of this configuration: what listens everywhere is asked on the loopback. */
export function localAddress(config: Pick<Config, "host" | "port" | "tlsCertFile">): string {
  const loopback: Record<string, string> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  const host = loopback[config.host] ?? config.host;
  const scheme = config.tlsCertFile === undefined ? "http" : "https";
  return `${scheme}://${isIPv6(host) ? `[${host}]` : host}:${config.port}`;
}

/** What is amiss with the server, or null. */
export async function ailment(address: string): Promise<string | null> {
  try {
    const answer = await fetch(`${address}/health/ready`, {
      redirect: "manual",
      signal: AbortSignal.timeout(patience),
      // The certificate carries the public name, and this question does not leave the machine.
      tls: { rejectUnauthorized: false },
    });
    const health: unknown = await answer.json().catch(() => null);
    const { status } = Object(health) as { status?: unknown };
    if (answer.ok && status === "ok") return null;
    if (status === "unavailable") return `The server at ${address} runs, but its database does not answer.`;
    return `What answers at ${address} is another program (status ${answer.status}).`;
  } catch {
    return `No server answers at ${address}.`;
  }
}

/**
 * `trailglass healthcheck`: asks the server on this machine whether it is ready. Touches neither data nor database.
 * @throws CommandError when it is not, with --wait not within that time
 */
export async function healthcheck(options: HealthcheckOptions): Promise<void> {
  const config = loadConfig(options.config);
  if (config.port === 0) throw new CommandError("APP_PORT is 0: nobody can know where the server listens.");
  const address = localAddress(config);
  const deadline = performance.now() + (options.wait ?? 0) * 1000;
  let amiss = await ailment(address);
  while (amiss !== null && performance.now() < deadline) {
    await Bun.sleep(pause);
    amiss = await ailment(address);
  }
  if (amiss !== null) throw new CommandError(amiss);
  console.log(`The server at ${address} is ready.`);
}

function readSeconds(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError("It must be whole seconds, such as 60.");
  return Number(text);
}

/** Adds `trailglass healthcheck`. */
export function addHealthcheck(program: Command): void {
  program
    .command("healthcheck")
    .description("ask the server on this machine whether it is ready; exit code 1 when it is not")
    .option("--wait <seconds>", "how long it may take to become so", readSeconds)
    .action((_options, command) => healthcheck(command.optsWithGlobals()));
}

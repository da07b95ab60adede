import { join } from "node:path";
import { parseArgs } from "node:util";
import { Phone } from "../test/support/phone.ts";
import type { Credentials } from "../test/support/phone-options.ts";
import { ApiFailure, LostAnswer } from "../test/support/phone-transport.ts";
import { BadReception } from "./demo/bad-reception.ts";
import { DemoFailure } from "./demo/failure.ts";
import { Progress } from "./demo/progress.ts";
import { type Cast, quarrel, recordTrack, untilRead, writeJournal } from "./demo/story.ts";
import { readTrack, type TrackPoint } from "./demo/track.ts";
import { compare, settle, table } from "./demo/verdict.ts";

const USAGE = "Usage: bun run demo [track.gpx] [--url http://localhost:8080] [--keep]";
const EXAMPLE = join(import.meta.dir, "../examples/park-walk.gpx");

/*
 * Two phones of a throw-away account play a recorded track against a running server, with edits, a deletion, a conflict
 * and lost answers, and end up holding the same. The exit code is 0 only when they do.
 */
async function main(): Promise<boolean> {
  const { file, url, keep } = readArguments();
  const points = await loadTrack(file);
  await insistOnServer(url);
  const credentials = { email: `demo-${crypto.randomUUID()}@example.org`, password: crypto.randomUUID() };
  const cast = assemble(url);
  await register(cast.anna, credentials);
  try {
    return await perform(cast, points, credentials);
  } finally {
    cast.progress.end();
    if (keep) console.log(`The account stays: ${credentials.email}, password ${credentials.password}`);
    else await cast.anna.deleteAccount(credentials.password);
  }
}

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      args: Bun.argv.slice(2),
      allowPositionals: true,
      options: {
        url: { type: "string", default: "http://localhost:8080" },
        keep: { type: "boolean", default: false },
      },
    });
    if (positionals.length > 1) throw new Error("more than one track");
    return { ...values, url: values.url.replace(/\/+$/, ""), file: positionals[0] ?? EXAMPLE };
  } catch {
    throw new DemoFailure(USAGE);
  }
}

async function loadTrack(path: string): Promise<TrackPoint[]> {
  const file = Bun.file(path);
  if (!(await file.exists())) throw new DemoFailure(`There is no file ${path}`);
  return readTrack(await file.text(), path);
}

async function insistOnServer(url: string): Promise<void> {
  try {
    const answer = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(5_000) });
    if (answer.status === 200) return;
    throw new DemoFailure(`The server at ${url} is not ready (${answer.status})`);
  } catch (error) {
    if (error instanceof DemoFailure) throw error;
    throw new DemoFailure(
      `No server answers at ${url}. Start one with ./scripts/start.sh, or give its --url`,
    );
  }
}

/** Anna has today's app, Ben the coming one. */
function assemble(baseUrl: string): Cast {
  const progress = new Progress();
  const reception = { anna: new BadReception(progress), ben: new BadReception(progress) };
  const anna = new Phone({ baseUrl, name: "Anna's phone", network: reception.anna.network });
  const ben = new Phone({ baseUrl, name: "Ben's phone", newClient: true, network: reception.ben.network });
  return { anna, ben, reception, progress };
}

async function register(phone: Phone, credentials: Credentials): Promise<void> {
  try {
    await phone.register(credentials, "Demo");
  } catch (error) {
    if (!(error instanceof ApiFailure) || error.status !== 403) throw error;
    throw new DemoFailure(
      "Registration is closed on this server: start it with REGISTRATION=open for the demo",
    );
  }
}

async function perform(cast: Cast, points: TrackPoint[], credentials: Credentials): Promise<boolean> {
  const { anna, ben, progress, reception } = cast;
  await ben.login(credentials);
  await recordTrack(cast, points);
  await quarrel(cast, await writeJournal(cast, points));
  progress.step("Both sync until they hold the same");
  await settle(anna, ben);
  progress.step("A fresh device reads everything from the beginning");
  const { baseUrl } = ben.transport.options;
  const fresh = new Phone({
    baseUrl,
    name: "a fresh device",
    newClient: true,
    network: reception.ben.network,
  });
  await fresh.login(credentials);
  await untilRead(fresh);
  progress.end();
  return report([anna, ben, fresh]);
}

function report([anna, ben, fresh]: [Phone, Phone, Phone]): boolean {
  const apart = [...compare(anna, ben), ...compare(ben, fresh)];
  console.log(`\n${table([anna, ben, fresh], apart.length === 0)}\n`);
  for (const difference of apart.slice(0, 5)) console.log(`differs: ${difference}`);
  console.log(apart.length === 0 ? "converged: yes" : "converged: no");
  return apart.length === 0;
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  const lost = error instanceof LostAnswer ? "The server went away: " : "";
  console.error(`${lost}${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}

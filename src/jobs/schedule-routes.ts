import { cron } from "@elysiajs/cron";
import { Elysia } from "elysia";
import type { Context } from "../context.ts";
import { makeUpForMissed } from "./missed.ts";
import { tickUntilHeard } from "./ticks.ts";

type Parts = Pick<Context, "work" | "log" | "db">;

/** Milliseconds after the start in which others are served first. */
const settled = 5_000;

/**
 * Asks for each kind of job when its time has come. That another server asks, too, does not matter.
 * @param pause milliseconds until a database that is away is told again
 */
export function schedule({ work, log, db }: Parts, pause = 30_000) {
  const failed = (error: unknown) => log.warn({ err: error }, "a scheduled job could not be asked for");
  const app = new Elysia({ name: "schedule" });
  setTimeout(() => makeUpForMissed(db, work).catch(failed), settled).unref();
  for (const { kind, at } of work) {
    if (at === null) continue;
    const run = () => tickUntilHeard(db, kind, failed, pause);
    app.use(cron({ name: kind, pattern: at, unref: true, catch: failed, run }));
  }
  return app;
}

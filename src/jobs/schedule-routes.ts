import { cron } from "@elysiajs/cron";
import { Elysia } from "elysia";
import type { Context } from "../context.ts";

/** What the server does by itself. One that still runs when its time comes again is left to run. */
export function schedule({ sweeper, log }: Pick<Context, "sweeper" | "log">) {
  const quiet = {
    unref: true,
    protect: true,
    catch: (error: unknown) =>
      log.warn({ err: error }, "a scheduled job failed; it is tried again next time"),
  };
  return new Elysia({ name: "schedule" }).use(
    cron({ ...quiet, name: "sweep", pattern: "17 * * * *", run: () => sweeper.run() }),
  );
}

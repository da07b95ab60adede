import { cron } from "@elysiajs/cron";
import { Elysia } from "elysia";
import type { Context } from "../context.ts";

type Parts = Pick<Context, "sweeper" | "log" | "config" | "db" | "storage">;

/** What the server does by itself. One that still runs when its time comes again is left to run. */
export function schedule(context: Parts) {
  const { sweeper, log, config } = context;
  const quiet = {
    unref: true,
    protect: true,
    catch: (error: unknown) =>
      log.warn({ err: error }, "a scheduled job failed; it is tried again next time"),
  };
  const jobs = new Elysia({ name: "schedule" }).use(
    cron({ ...quiet, name: "sweep", pattern: "17 * * * *", run: () => sweeper.run() }),
  );
  if (config.backupSchedule === null) return jobs;
  const backUp = async () => {
    // Loaded when its time has come: a server starts faster without.
    const { makeNightlyBackup } = await import("../backup/nightly.ts");
    await makeNightlyBackup(context);
  };
  return jobs.use(cron({ ...quiet, name: "backup", pattern: config.backupSchedule, run: backUp }));
}

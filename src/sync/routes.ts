import { Elysia } from "elysia";
import { z } from "zod";
import type { Context } from "../context.ts";
import { AppError } from "../errors.ts";
import { described } from "../http/described.ts";
import { signedIn } from "../http/guards.ts";
import { pageQuery } from "../http/page.ts";
import { bulkBody, parse, readJson } from "../http/read.ts";
import { listConflicts } from "./conflict-list.ts";
import { syncDelta } from "./delta.ts";
import { deltaResponse } from "./delta-answer.ts";
import { deltaSchema, readDelta } from "./delta-request.ts";
import { resolveConflict, resolveSchema } from "./resolve.ts";
import { readStatus } from "./status.ts";

export const conflictQuery = pageQuery({ limit: 100, max: 1000 }).extend({
  status: z
    .enum(["open", "resolved"], "must be open or resolved")
    .nullish()
    .transform((value) => value ?? null),
});

/** `/sync`: what phones exchange, and what an account's conflicts are. */
export function syncRoutes(
  context: Pick<Context, "db" | "accountQueue" | "registry" | "sessions" | "requests">,
) {
  const { db, accountQueue, registry } = context;
  return new Elysia({ prefix: "/sync" })
    .use(signedIn(context))
    .get("/status", ({ session }) => readStatus(db, registry, session), described("readSyncStatus"))
    .post(
      "/delta",
      async ({ request, session }) => {
        const frame = await readJson(request, deltaSchema, bulkBody);
        if (frame.deviceId !== session.deviceId)
          throw new AppError("FORBIDDEN", "deviceId is not the device that signed in");
        const delta = readDelta(registry, frame);
        return deltaResponse(
          registry,
          await syncDelta(accountQueue, registry, session, delta),
          delta.invalid,
        );
      },
      described("exchangeDelta"),
    )
    .post(
      "/resolve-conflict",
      async ({ request, session }) =>
        resolveConflict(accountQueue, registry, session, await readJson(request, resolveSchema)),
      described("resolveConflict"),
    )
    .get(
      "/conflicts",
      ({ query, session }) => listConflicts(db, registry, session.userId, parse(conflictQuery, query)),
      described("listConflicts"),
    );
}

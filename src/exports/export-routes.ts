import { Elysia } from "elysia";
import { z } from "zod";
import type { Context } from "../context.ts";
import { signedIn } from "../http/guards.ts";
import { readJson } from "../http/read.ts";
import { dateFilter } from "../journal/filters.ts";
import { offeredFormats } from "./formats.ts";

const requestBody = z
  .object({
    format: z.enum(offeredFormats, `must be one of ${offeredFormats.join(", ")}`),
    includePhotos: z.boolean("must be true or false").nullish(),
    startDate: dateFilter("start"),
    endDate: dateFilter("end"),
  })
  .refine(({ startDate, endDate }) => !startDate || !endDate || startDate <= endDate, {
    path: ["endDate"],
    message: "is before startDate",
  });

/** `/export`: the whole journal, or a span of it, as a file. */
export function exportRoutes(context: Pick<Context, "exports" | "sessions" | "requests">) {
  return new Elysia({ prefix: "/export" })
    .use(signedIn(context))
    .post("/request", async ({ request, session, set }) => {
      const { format, includePhotos, startDate, endDate } = await readJson(request, requestBody);
      const range = { start: startDate ?? null, end: endDate ?? null };
      set.status = 202;
      return context.exports.request(session.userId, {
        format,
        includePhotos: includePhotos ?? false,
        range,
      });
    })
    .get("/:id/status", ({ params, session }) => context.exports.status(session.userId, params.id));
}

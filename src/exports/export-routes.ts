import { Elysia } from "elysia";
import type { Context } from "../context.ts";
import { described } from "../http/described.ts";
import { signedIn } from "../http/guards.ts";
import { readJson } from "../http/read.ts";
import { requestSchema } from "./request.ts";

/** `/export`: the whole journal, or a span of it, as a file. */
export function exportRoutes(context: Pick<Context, "exports" | "sessions" | "requests">) {
  return new Elysia({ prefix: "/export" })
    .use(signedIn(context))
    .post(
      "/request",
      async ({ request, session, set }) => {
        const wanted = await readJson(request, requestSchema);
        set.status = 202;
        return context.exports.request(session.userId, wanted);
      },
      described("requestExport"),
    )
    .get(
      "/:id/status",
      ({ params, session }) => context.exports.status(session.userId, params.id),
      described("readExportStatus"),
    );
}

import { sql } from "drizzle-orm";
import { Elysia } from "elysia";
import type { Context } from "../context.ts";
import { described } from "../http/described.ts";
import { signedIn } from "../http/guards.ts";
import { pageQuery } from "../http/page.ts";
import { parse, readJson } from "../http/read.ts";
import { attachmentsBody } from "./attachments.ts";
import { at, conditions, timeFilter } from "./filters.ts";
import { readPathId } from "./resource.ts";

export const listQuery = pageQuery({ limit: 100, max: 1000 }).extend({
  startTime: timeFilter,
  endTime: timeFilter,
});

/** `/photos`: what is known of pictures, and which visits they are attached to. */
export function photoRoutes(context: Pick<Context, "resources" | "sessions" | "requests">) {
  const { photos, photoAttachments } = context.resources;
  return new Elysia({ prefix: "/photos" })
    .use(signedIn(context))
    .get(
      "/",
      async ({ query, session }) => {
        const { startTime, endTime, limit, offset } = parse(listQuery, query);
        const where = conditions(
          [startTime, (value: string) => sql`t.timestamp >= ${at(value)}`],
          [endTime, (value: string) => sql`t.timestamp <= ${at(value)}`],
        );
        const orderBy = sql`t.timestamp DESC, t.id`;
        const { items, pagination } = await photos.list(session.userId, { where, orderBy, limit, offset });
        return { photos: items, pagination };
      },
      described("listPhotos"),
    )
    .post(
      "/attachments",
      async ({ request, session }) => ({
        attachments: await photoAttachments.write(session, await readJson(request, attachmentsBody)),
      }),
      described("attachPhotos"),
    )
    .get(
      "/:id",
      ({ params, session }) => photos.get(session.userId, readPathId(params.id, "Photo")),
      described("readPhoto"),
    )
    .delete(
      "/:id",
      async ({ params, session }) => {
        await photos.remove(session, readPathId(params.id, "Photo"));
        return new Response(null, { status: 204 });
      },
      described("removePhoto"),
    )
    .get(
      "/:id/attachments",
      async ({ params, session }) => {
        const id = readPathId(params.id, "Photo");
        await photos.get(session.userId, id);
        return { attachments: await photoAttachments.of(session.userId, sql`t.photo_id = ${id}`) };
      },
      described("listAttachmentsOfPhoto"),
    );
}

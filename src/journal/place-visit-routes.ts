import { sql } from "drizzle-orm";
import { Elysia } from "elysia";
import { z } from "zod";
import type { Context } from "../context.ts";
import { described } from "../http/described.ts";
import { signedIn } from "../http/guards.ts";
import { pageQuery } from "../http/page.ts";
import { parse, readJson } from "../http/read.ts";
import { plainText } from "../http/text-schema.ts";
import { at, conditions, timeFilter } from "./filters.ts";
import { anyBody, readPathId } from "./resource.ts";

export const listQuery = pageQuery({ limit: 100, max: 1000 }).extend({
  startTime: timeFilter,
  endTime: timeFilter,
  category: plainText(0, 64).nullish(),
  isFavorite: z.enum(["true", "false"], "must be true or false").nullish(),
});

/** `/place-visits`. */
export function placeVisitRoutes(context: Pick<Context, "resources" | "sessions" | "requests">) {
  const { placeVisits, photoAttachments } = context.resources;
  return new Elysia({ prefix: "/place-visits" })
    .use(signedIn(context))
    .get(
      "/",
      async ({ query, session }) => {
        const { startTime, endTime, category, isFavorite, limit, offset } = parse(listQuery, query);
        const where = conditions(
          [startTime, (value: string) => sql`t.arrival_time >= ${at(value)}`],
          [endTime, (value: string) => sql`t.arrival_time <= ${at(value)}`],
          [category, (value: string) => sql`t.category = ${value}`],
          [isFavorite, (value: string) => sql`t.is_favorite = ${value === "true"}`],
        );
        const orderBy = sql`t.arrival_time DESC, t.id`;
        const { items, pagination } = await placeVisits.list(session.userId, {
          where,
          orderBy,
          limit,
          offset,
        });
        return { placeVisits: items, pagination };
      },
      described("listPlaceVisits"),
    )
    .post(
      "/",
      async ({ request, session, set }) => {
        const body = await readJson(request, anyBody);
        set.status = 201;
        return placeVisits.create(session, body);
      },
      described("createPlaceVisit"),
    )
    .get(
      "/:id",
      ({ params, session }) => placeVisits.get(session.userId, readPathId(params.id, "Place visit")),
      described("readPlaceVisit"),
    )
    .put(
      "/:id",
      async ({ params, request, session }) =>
        placeVisits.patch(session, readPathId(params.id, "Place visit"), await readJson(request, anyBody)),
      described("changePlaceVisit"),
    )
    .delete(
      "/:id",
      async ({ params, session }) => {
        await placeVisits.remove(session, readPathId(params.id, "Place visit"));
        return new Response(null, { status: 204 });
      },
      described("removePlaceVisit"),
    )
    .get(
      "/:id/photos",
      async ({ params, session }) => {
        const id = readPathId(params.id, "Place visit");
        await placeVisits.get(session.userId, id);
        return { attachments: await photoAttachments.of(session.userId, sql`t.place_visit_id = ${id}`) };
      },
      described("listPhotosOfPlaceVisit"),
    );
}

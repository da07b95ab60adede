import { sql } from "drizzle-orm";
import { Elysia } from "elysia";
import type { Context } from "../context.ts";
import { described } from "../http/described.ts";
import { signedIn } from "../http/guards.ts";
import { pageQuery } from "../http/page.ts";
import { parse, readJson } from "../http/read.ts";
import { at, conditions, dateFilter } from "./filters.ts";
import { anyBody, readPathId } from "./resource.ts";

export const listQuery = pageQuery({ limit: 50, max: 500 }).extend({
  startDate: dateFilter("start"),
  endDate: dateFilter("end"),
});

/** `/trips`. A trip is in a range of dates when it overlaps it. Deleting one keeps its visits and photos. */
export function tripRoutes(context: Pick<Context, "resources" | "sessions" | "requests">) {
  const { trips } = context.resources;
  return new Elysia({ prefix: "/trips" })
    .use(signedIn(context))
    .get(
      "/",
      async ({ query, session }) => {
        const { startDate, endDate, limit, offset } = parse(listQuery, query);
        const where = conditions(
          [startDate, (value: string) => sql`t.end_date >= ${at(value)}`],
          [endDate, (value: string) => sql`t.start_date <= ${at(value)}`],
        );
        const orderBy = sql`t.start_date DESC, t.id`;
        const { items, pagination } = await trips.list(session.userId, { where, orderBy, limit, offset });
        return { trips: items, pagination };
      },
      described("listTrips"),
    )
    .post(
      "/",
      async ({ request, session, set }) => {
        const body = await readJson(request, anyBody);
        set.status = 201;
        return trips.create(session, body);
      },
      described("createTrip"),
    )
    .get(
      "/:id",
      ({ params, session }) => trips.get(session.userId, readPathId(params.id, "Trip")),
      described("readTrip"),
    )
    .put(
      "/:id",
      async ({ params, request, session }) =>
        trips.patch(session, readPathId(params.id, "Trip"), await readJson(request, anyBody)),
      described("changeTrip"),
    )
    .delete(
      "/:id",
      async ({ params, session }) => {
        await trips.remove(session, readPathId(params.id, "Trip"));
        return new Response(null, { status: 204 });
      },
      described("removeTrip"),
    );
}

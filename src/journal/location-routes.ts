import { type SQL, sql } from "drizzle-orm";
import { Elysia } from "elysia";
import { z } from "zod";
import type { Context } from "../context.ts";
import { AppError } from "../errors.ts";
import { described } from "../http/described.ts";
import { signedIn } from "../http/guards.ts";
import { pageQuery } from "../http/page.ts";
import { bulkBody, parse, readJson } from "../http/read.ts";
import { uuid } from "../http/text-schema.ts";
import { type Change, isInvalid, readChange } from "../sync/change.ts";
import type { Content } from "../sync/entity.ts";
import { entityId, instant } from "../sync/schemas.ts";
import { writeChanges } from "../sync/write.ts";
import { at, conditions, numberFilter, timeFilter } from "./filters.ts";
import { location } from "./location.ts";
import { readPathId } from "./resource.ts";

/** Most points in one batch. */
const largestBatch = 10_000;

export const batchSchema = z.object({
  locations: z.array(z.unknown(), "must be a list").max(largestBatch, `has more than ${largestBatch} points`),
  deviceId: uuid,
});

/** Where a page ended: instant and id of its last point, so that the next one starts behind it at any depth. */
const pageCursor = z
  .string()
  .transform((text) => Buffer.from(text, "base64url").toString().split(" "))
  .pipe(z.tuple([instant, entityId], "is not a cursor of this list"))
  .nullish();

export const listQuery = pageQuery({ limit: 1000, max: 10_000 }).extend({
  startTime: timeFilter,
  endTime: timeFilter,
  minAccuracy: numberFilter,
  cursor: pageCursor,
});

const cursorAfter = (point: Content) => Buffer.from(`${point.timestamp} ${point.id}`).toString("base64url");

function filters(query: z.infer<typeof listQuery>): SQL[] {
  return conditions(
    [query.startTime, (value: string) => sql`t.timestamp >= ${at(value)}`],
    [query.endTime, (value: string) => sql`t.timestamp <= ${at(value)}`],
    [query.minAccuracy, (value: number) => sql`t.accuracy <= ${value}`],
    [query.cursor, ([time, id]: [string, string]) => sql`(t.timestamp, t.id) > (${at(time)}, ${id})`],
  );
}

/** `/locations`: points in batches, and as a list in the order of time. */
export function locationRoutes(
  context: Pick<Context, "accountQueue" | "registry" | "resources" | "sessions" | "requests">,
) {
  const { accountQueue, registry, resources } = context;
  return new Elysia({ prefix: "/locations" })
    .use(signedIn(context))
    .post(
      "/batch",
      async ({ request, session }) => {
        const { locations, deviceId } = await readJson(request, batchSchema, bulkBody);
        if (deviceId !== session.deviceId)
          throw new AppError("FORBIDDEN", "deviceId is not the device that signed in");
        const items = locations.map((raw) => readChange(location, raw, { encrypted: false }));
        const changes = items.filter((item): item is Change => !isInvalid(item));
        const { outcomes, syncVersion } = await writeChanges(accountQueue, registry, session, changes);
        const refused = items.filter(isInvalid);
        accountQueue.observer.refused(refused);
        const invalid = refused.map(({ id, message }) => ({ id, message }));
        const accepted = outcomes.filter(({ decision }) => decision.write !== undefined).length;
        return {
          accepted,
          rejected: invalid.length,
          duplicates: outcomes.length - accepted,
          syncVersion,
          invalid,
        };
      },
      described("uploadLocations"),
    )
    .get(
      "/",
      async ({ query, session }) => {
        const page = parse(listQuery, query);
        const { limit, offset } = page;
        const where = filters(page);
        const orderBy = sql`t.timestamp, t.id`;
        const { items, pagination } = await resources.locations.list(session.userId, {
          where,
          orderBy,
          limit,
          offset,
        });
        const last = items.at(-1);
        return {
          locations: items,
          pagination: { ...pagination, nextCursor: pagination.hasMore && last ? cursorAfter(last) : null },
        };
      },
      described("listLocations"),
    )
    .get(
      "/:id",
      ({ params, session }) => resources.locations.get(session.userId, readPathId(params.id, "Location")),
      described("readLocation"),
    )
    .delete(
      "/:id",
      async ({ params, session }) => {
        await resources.locations.remove(session, readPathId(params.id, "Location"));
        return new Response(null, { status: 204 });
      },
      described("removeLocation"),
    );
}

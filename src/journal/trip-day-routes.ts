import { sql } from "drizzle-orm";
import { Elysia } from "elysia";
import type { Context } from "../context.ts";
import { notFound } from "../errors.ts";
import { described } from "../http/described.ts";
import { signedIn } from "../http/guards.ts";
import { parse, readJson } from "../http/read.ts";
import type { Content } from "../sync/entity.ts";
import { anyBody, type Resource, readExpectedVersion, readPathId } from "./resource.ts";
import { calendarDate } from "./trip-day.ts";

/** The longest list of days: a trip of ten years. */
const mostDays = 3660;

async function daysOf({ tripDays, userId, tripId }: { tripDays: Resource; userId: string; tripId: string }) {
  const where = [sql`t.trip_id = ${tripId}`];
  // Two phones may each have made a day of the same date: the one written last speaks for it.
  const orderBy = sql`t.date, t.edited_version DESC`;
  const { items } = await tripDays.list(userId, { where, orderBy, limit: mostDays, offset: 0 });
  return items.filter((day, index) => items[index - 1]?.date !== day.date);
}

/** `/trips/{id}/days`: what a person wrote about the days of a trip. */
export function tripDayRoutes(context: Pick<Context, "resources" | "sessions" | "requests">) {
  const { trips, tripDays } = context.resources;
  const findDays = async (userId: string, rawId: string) => {
    const tripId = readPathId(rawId, "Trip");
    await trips.get(userId, tripId);
    return { tripId, days: await daysOf({ tripDays, userId, tripId }) };
  };
  const dayAt = (days: readonly Content[], date: string) => days.find((day) => day.date === date);

  return new Elysia({ prefix: "/trips/:id/days" })
    .use(signedIn(context))
    .get(
      "/",
      async ({ params, session }) => {
        const { days } = await findDays(session.userId, params.id);
        return { days, pagination: { total: days.length, limit: mostDays, offset: 0, hasMore: false } };
      },
      described("listTripDays"),
    )
    .get(
      "/:date",
      async ({ params, session }) => {
        const { days } = await findDays(session.userId, params.id);
        const day = dayAt(days, parse(calendarDate, params.date));
        if (!day) throw notFound("Day");
        return day;
      },
      described("readTripDay"),
    )
    .put(
      "/:date",
      async ({ params, request, session }) => {
        const date = parse(calendarDate, params.date);
        const body = await readJson(request, anyBody);
        const { tripId, days } = await findDays(session.userId, params.id);
        const day = dayAt(days, date);
        // A repeat of the first PUT of a day finds the day there, and names no version either.
        const content = { ...body, tripId, date, expectedVersion: body.expectedVersion ?? 0 };
        return day
          ? tripDays.patch(session, String(day.id), content)
          : tripDays.create(session, content, dayId(tripId, date), readExpectedVersion(content));
      },
      described("writeTripDay"),
    );
}

/** The id of a day that is made here: the same for every repeat. */
function dayId(tripId: string, date: string): string {
  const digest = new Bun.CryptoHasher("sha256").update(`${tripId} ${date}`).digest("hex");
  return `day_${date}_${digest.slice(0, 24)}`;
}

import { boolean, doublePrecision, integer, pgTable, text as textColumn } from "drizzle-orm/pg-core";
import { z } from "zod";
import { decideVersioned } from "../sync/decide.ts";
import type { Content, Entity } from "../sync/entity.ts";
import { shownLatest, shownList, standingLinks } from "../sync/links-sql.ts";
import {
  entityId,
  idList,
  instant,
  latitude,
  longitude,
  maybe,
  number,
  text,
  wholeNumber,
} from "../sync/schemas.ts";
import { instantColumn, syncColumns } from "../sync/sync-columns.ts";

export const placeVisits = pgTable("place_visits", {
  ...syncColumns(),
  latitude: doublePrecision("latitude"),
  longitude: doublePrecision("longitude"),
  placeName: textColumn("place_name"),
  address: textColumn("address"),
  category: textColumn("category"),
  arrivalTime: instantColumn("arrival_time"),
  departureTime: instantColumn("departure_time"),
  durationMinutes: integer("duration_minutes"),
  confidence: doublePrecision("confidence"),
  isFavorite: boolean("is_favorite"),
  notes: textColumn("notes"),
  createdBy: textColumn("created_by"),
});

const linkKeys = {
  photos: { relation: "visitPhotos", memberKind: "photos", side: "owner" },
  tripId: { relation: "tripMembers", memberKind: "placeVisits", side: "member" },
} as const;

function contradiction({ arrivalTime, departureTime }: Content): string | null {
  const backwards = departureTime !== null && String(departureTime) < String(arrivalTime);
  return backwards ? "departureTime: is before arrivalTime" : null;
}

/** A stay at a place, as the phone recognised it or the person entered it. */
export const placeVisit: Entity = {
  kind: "placeVisits",
  type: "PLACE_VISIT",
  table: placeVisits,
  schema: z.object({
    location: z.object({ latitude, longitude }, "must be {latitude, longitude}"),
    placeName: maybe(text(500)),
    address: maybe(text(1000)),
    category: text(64),
    arrivalTime: instant,
    departureTime: maybe(instant),
    durationMinutes: maybe(wholeNumber),
    confidence: number(0, 1),
    isFavorite: maybe(z.boolean("must be true or false")).transform((value) => value ?? false),
    notes: maybe(text(20_000)),
    photos: idList,
    tripId: maybe(entityId),
    createdBy: maybe(text(128)),
  }),
  fields: {
    location: { latitude: placeVisits.latitude, longitude: placeVisits.longitude },
    placeName: placeVisits.placeName,
    address: placeVisits.address,
    category: placeVisits.category,
    arrivalTime: placeVisits.arrivalTime,
    departureTime: placeVisits.departureTime,
    durationMinutes: placeVisits.durationMinutes,
    confidence: placeVisits.confidence,
    isFavorite: placeVisits.isFavorite,
    notes: placeVisits.notes,
    photos: shownList(linkKeys.photos),
    tripId: shownLatest(linkKeys.tripId),
    createdBy: placeVisits.createdBy,
  },
  unknownToPhones: ["tripId"],
  linkKeys,
  linksSql: standingLinks(linkKeys),
  contradiction,
  decide: decideVersioned,
};

import { doublePrecision, jsonb, pgTable, text as textColumn } from "drizzle-orm/pg-core";
import { z } from "zod";
import { decideVersioned } from "../sync/decide.ts";
import type { Entity } from "../sync/entity.ts";
import { shownLatest, standingLinks } from "../sync/links-sql.ts";
import { entityId, instant, latitude, longitude, maybe, number, text, wholeNumber } from "../sync/schemas.ts";
import { instantColumn, syncColumns } from "../sync/sync-columns.ts";

export const photos = pgTable("photos", {
  ...syncColumns(),
  timestamp: instantColumn("timestamp"),
  latitude: doublePrecision("latitude"),
  longitude: doublePrecision("longitude"),
  caption: textColumn("caption"),
  exifData: jsonb("exif_data"),
});

const linkKeys = {
  placeVisitId: { relation: "visitPhotos", memberKind: "photos", side: "member" },
  tripId: { relation: "tripMembers", memberKind: "photos", side: "member" },
} as const;

const exif = z
  .object({
    cameraModel: maybe(text(200)),
    focalLength: maybe(number(0)),
    aperture: maybe(number(0)),
    iso: maybe(wholeNumber),
    shutterSpeed: maybe(text(64)),
  })
  .transform((data) => (Object.values(data).every((value) => value === null) ? null : data));

/** The bytes behind a photo, once they have come. */
const fileSql = `(SELECT json_build_object('key', o.key, 'mediaType', o.media_type, 'size', o.size,
    'sha256', encode(o.sha256, 'hex'), 'problem', o.preview_problem, 'facts', o.facts, 'said', f.said)::text
  FROM photo_files f JOIN stored_objects o ON o.user_id = f.user_id AND o.sha256 = f.sha256
  WHERE f.user_id = t.user_id AND f.photo_id = t.id)`;

/**
 * What is known of a picture. Its bytes come by another way; until they have, `url` and `thumbnailUrl` are null.
 * A phone's own `url` is a path on that phone: it is neither kept nor handed to anyone. What the bytes themselves say
 * (`file.facts`), and what came with them, is shown where the phones said nothing, and never becomes part of that.
 */
export const photo: Entity = {
  kind: "photos",
  type: "PHOTO",
  table: photos,
  schema: z.object({
    timestamp: instant,
    location: maybe(z.object({ latitude, longitude })),
    placeVisitId: maybe(entityId),
    tripId: maybe(entityId),
    caption: maybe(text(5000)),
    exifData: maybe(exif),
  }),
  fields: {
    timestamp: photos.timestamp,
    location: { latitude: photos.latitude, longitude: photos.longitude },
    placeVisitId: shownLatest(linkKeys.placeVisitId),
    tripId: shownLatest(linkKeys.tripId),
    caption: photos.caption,
    url: { sql: "NULL" },
    thumbnailUrl: { sql: "NULL" },
    exifData: photos.exifData,
  },
  shown: { file: { sql: fileSql } },
  filled: ["location", "url", "thumbnailUrl"],
  unknownToPhones: ["placeVisitId", "tripId", "caption", "exifData"],
  linkKeys,
  linksSql: standingLinks(linkKeys),
  decide: decideVersioned,
};

import { z } from "zod";
import { count, id, instant, sha256, text, version } from "./row-schemas.ts";

/** Version of the format; a reader refuses those that it does not know. */
export const formatVersion = 1;

/** `export.json`: what the archive is, and what is in it. */
export const manifestSchema = z.strictObject({
  format: z.literal("trailglass"),
  formatVersion: z.literal(formatVersion),
  program: z.strictObject({ name: z.literal("trailglass"), version: text }),
  exportedAt: instant.describe("All rows are as of this moment."),
  account: z.strictObject({
    email: text,
    displayName: text,
    createdAt: instant,
    photo: text.nullable().describe("The profile picture in this archive."),
  }),
  range: z
    .strictObject({ start: instant.nullable(), end: instant.nullable() })
    .nullable()
    .describe("Both ends included; null for everything. What has a range is a part of the account."),
  photosIncluded: z.boolean(),
  syncVersion: version.describe("The newest version that was given out."),
  files: z.record(z.string(), z.strictObject({ rows: count })),
  pictures: z.array(z.strictObject({ path: text, size: count, sha256 })),
  missing: z
    .array(
      z.strictObject({
        path: text,
        photoId: id.nullable(),
        problem: z.enum(["missing", "damaged"]).describe("Not there at all, or not as it was stored."),
      }),
    )
    .describe("Pictures that should be here, but could not be read."),
});

export type ExportManifest = z.infer<typeof manifestSchema>;

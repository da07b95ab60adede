import { z } from "zod";

/*
 * The words that answers are described with. They are as strict as the server is exact: objects hold what they name and
 * nothing else, instants have one spelling.
 */

/** Gives a schema the name under which the document has it once, for all that use it. */
export function named<Schema extends z.ZodType>(name: string, schema: Schema, description?: string): Schema {
  return schema.meta({ id: name, ...(description && { description }) }) as Schema;
}

export const instant = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  .meta({ format: "date-time", description: "UTC, with milliseconds." });
export const date = z.string().meta({ format: "date" });
export const uuid = z.string().meta({ format: "uuid" });
export const url = z.string().meta({ format: "uri" });
export const count = z.int().min(0);
export const version = z
  .int()
  .min(0)
  .meta({ description: "A number from the account's counter; a 64-bit integer." });
export const id = z
  .string()
  .regex(/^[A-Za-z0-9._:-]{1,128}$/)
  .meta({ description: "As the phone chose it: opaque, case-sensitive, unique within one account." });

export const point = named(
  "Point",
  z.strictObject({ latitude: z.number().min(-90).max(90), longitude: z.number().min(-180).max(180) }),
  "Degrees, WGS 84.",
);

export const pagination = named(
  "Pagination",
  z.strictObject({
    total: count.describe("How many there are in all."),
    limit: count,
    offset: count,
    hasMore: z.boolean(),
  }),
);

export const written = named(
  "Written",
  z.strictObject({ id, serverVersion: version, syncTimestamp: instant }),
  "What a versioned write answers.",
);

/** What answers say of every entity, beside its own fields. */
export const stamped = {
  localVersion: z.int().nullable().describe("The writing phone's own count of its edits."),
  serverVersion: version,
  lastModified: instant.describe("When it was edited, by the clock of the phone that did."),
  deviceId: uuid.nullable().describe("The device that wrote it last; null when that is gone."),
};

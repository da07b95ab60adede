import { z } from "zod";
import { dateFilter } from "../journal/filters.ts";
import type { ExportRequest } from "./export-rows.ts";
import { exportFormats } from "./format-names.ts";

/** What an export is asked for with. A date is a day in UTC: as `startDate` from its first moment, as `endDate` to its last. */
export const requestSchema: z.ZodType<ExportRequest> = z
  .object({
    format: z.enum(exportFormats, `must be one of ${exportFormats.join(", ")}`),
    includePhotos: z.boolean("must be true or false").nullish(),
    startDate: dateFilter("start"),
    endDate: dateFilter("end"),
  })
  .refine(({ startDate, endDate }) => !startDate || !endDate || startDate <= endDate, {
    path: ["endDate"],
    message: "is before startDate",
  })
  .transform(({ format, includePhotos, startDate, endDate }) => ({
    format,
    includePhotos: includePhotos ?? false,
    range: { start: startDate ?? null, end: endDate ?? null },
  }));

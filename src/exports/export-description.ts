import { z } from "zod";
import type { Chapter } from "../api/operation.ts";
import { later, link, morning } from "../api/story.ts";
import { count, instant, named, url, uuid } from "../api/vocabulary.ts";
import { requestSchema } from "./request.ts";

const exportId = uuid.describe("To ask how it stands.");
const status = named("ExportStatus", z.enum(["PENDING", "PROCESSING", "COMPLETED", "FAILED"]));

const example = "9b8a7c6d-5e4f-4a3b-8c2d-1e0f9a8b7c6d";
const waiting = {
  exportId: example,
  status: "PENDING",
  downloadUrl: null,
  expiresAt: null,
  fileSize: null,
  sha256: null,
};

export const exportChapter: Chapter = {
  tag: "Exports",
  description: `The whole journal, or a span of it, as a zip file. JSON is complete and lossless; CSV is for spreadsheets, and
GPX, KML and GeoJSON are for maps. A file is kept for seven days. Of an account one is made at a time.`,
  operations: {
    requestExport: {
      summary: "Asks for an export",
      description: `It is made later. The same request again within a minute is the same export. A day is one in UTC: \`startDate\`
means its first moment, \`endDate\` its last. More than three at once are refused with 429.`,
      access: "account",
      body: {
        schema: requestSchema,
        examples: { everything: { format: "JSON", includePhotos: true, startDate: null, endDate: null } },
      },
      answers: {
        202: {
          description: "It will be made.",
          schema: named(
            "ExportRequested",
            z.strictObject({
              exportId,
              status,
              estimatedCompletionTime: instant.describe("A guess: ask for the status."),
            }),
          ),
          examples: {
            everything: { exportId: example, status: "PENDING", estimatedCompletionTime: morning },
          },
        },
      },
      errors: ["RATE_LIMIT_EXCEEDED"],
    },
    readExportStatus: {
      summary: "How it stands with an export",
      description: "One that has expired stays COMPLETED, without a link.",
      access: "account",
      path: z.object({ id: exportId }),
      at: { id: example },
      answers: {
        200: {
          description: "Its status.",
          schema: named(
            "Export",
            z.strictObject({
              exportId,
              status,
              downloadUrl: url
                .nullable()
                .describe("Good for whoever has it, until the export expires; null before and after."),
              expiresAt: instant.nullable(),
              fileSize: count.nullable().describe("Bytes."),
              sha256: z.string().nullable().describe("Of the file, in hexadecimal."),
            }),
          ),
          examples: {
            waiting,
            ready: {
              ...waiting,
              status: "COMPLETED",
              downloadUrl: link("exports", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
              expiresAt: later,
              fileSize: 1_048_576,
              sha256: "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
            },
          },
        },
      },
    },
  },
};

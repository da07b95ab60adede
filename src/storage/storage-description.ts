import { z } from "zod";
import type { Answer, Chapter } from "../api/operation.ts";
import { areas } from "./object-key.ts";

const bytes = z.string().meta({ format: "binary" });
const path = z.object({ area: z.enum(areas), name: z.string().regex(/^[0-9a-f]{32}(-[0-9a-z]{1,16})?$/) });
const signed = {
  expires: z.string().describe("Unix seconds."),
  type: z.string().describe("Media type."),
  signature: z.string(),
};
const at = { area: "originals", name: "00112233445566778899aabbccddeeff" };
const readable = z.object({ ...signed, name: z.string().describe("The name to save it under.") });

const headers = ["ETag", "Cache-Control", "Content-Disposition", "Accept-Ranges"];
const whole: Answer = { description: "The bytes.", schema: bytes, mediaType: "*/*", headers };
const known: Answer = { description: "It is known already.", headers: ["ETag", "Cache-Control"] };
const part: Answer = {
  description: "The bytes that were asked for.",
  schema: bytes,
  mediaType: "*/*",
  headers: [...headers, "Content-Range"],
};

export const storageChapter: Chapter = {
  tag: "Links",
  description:
    "Where links to pictures lead. They are opaque, good for 15 minutes, and opened by whoever has them. With S3 they may lead there instead.",
  operations: {
    storedObject: {
      path: "/storage/{area}/{name}",
      methods: {
        get: {
          summary: "What a link leads to",
          access: "link",
          path,
          at,
          query: readable,
          headers: ["Range", "If-None-Match"],
          answers: { 200: whole, 206: part, 304: known },
          errors: ["RANGE_NOT_SATISFIABLE"],
        },
        head: {
          summary: "The same without the bytes",
          access: "link",
          path,
          at,
          query: readable,
          headers: ["If-None-Match"],
          answers: { 200: { description: "It is there.", headers }, 304: known },
        },
        put: {
          summary: "Puts the bytes of a planned upload",
          access: "link",
          path,
          at: { area: "uploads", name: "ffeeddccbbaa99887766554433221100" },
          query: z.object({ ...signed, size: z.string().describe("Bytes that have to come.") }),
          body: { schema: bytes, mediaType: "image/*", examples: { camera: "(bytes of a JPEG)" } },
          answers: { 200: { description: "They are there.", headers: ["ETag"] } },
        },
      },
    },
  },
};

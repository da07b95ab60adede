import { z } from "zod";
import type { ErrorCode } from "../errors.ts";
import type { Chapter } from "./operation.ts";

const kept = ["ETag", "Cache-Control"];
const refused: readonly ErrorCode[] = ["UNAUTHORIZED", "FORBIDDEN"];
const known = { description: "It is known already.", headers: kept };

export const apiChapter: Chapter = {
  tag: "Description",
  description: "The API's own description. Shown to whom Cloudflare Access has let in, where that is set up.",
  operations: {
    readApiDescription: {
      summary: "This description",
      access: "anyone",
      errors: refused,
      headers: ["If-None-Match"],
      answers: {
        200: { description: "OpenAPI 3.1.0.", schema: z.looseObject({ openapi: z.string() }), headers: kept },
        304: known,
      },
    },
    readDocs: {
      summary: "The same as a page to read and try",
      access: "anyone",
      errors: refused,
      headers: ["If-None-Match"],
      answers: {
        200: { description: "The page.", schema: z.string(), mediaType: "text/html", headers: kept },
        304: known,
        308: { description: "For an address with a slash at its end." },
      },
    },
    readDocsFile: {
      summary: "What that page is made of",
      access: "anyone",
      errors: refused,
      headers: ["If-None-Match"],
      path: z.object({ file: z.enum(["swagger-ui-bundle.js", "swagger-ui.css", "start.js"]) }),
      at: { file: "start.js" },
      answers: {
        200: { description: "The file.", schema: z.string(), mediaType: "text/javascript", headers: kept },
        304: known,
      },
    },
  },
};

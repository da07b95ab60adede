import type { JsonSchema } from "./json-schemas.ts";

/** Headers of answers, by their name. */
export const answerHeaders: Readonly<Record<string, JsonSchema>> = {
  "X-Request-ID": {
    description:
      "The id of this request: the client's own where it sent one, else a new one. The log has it, too.",
    schema: { type: "string" },
  },
  "X-RateLimit-Limit": {
    description: "Requests of this kind that are let through in a window.",
    schema: { type: "integer" },
  },
  "X-RateLimit-Remaining": { description: "How many are left of them.", schema: { type: "integer" } },
  "X-RateLimit-Reset": {
    description: "When the window is over, in Unix seconds.",
    schema: { type: "integer" },
  },
  "Retry-After": { description: "Seconds to wait before trying again.", schema: { type: "integer" } },
  "WWW-Authenticate": { description: "`Bearer`.", schema: { type: "string" } },
  ETag: { description: "Tells these bytes from any others.", schema: { type: "string" } },
  "Cache-Control": { description: "Who may keep this, and for how long.", schema: { type: "string" } },
  "Accept-Ranges": { description: "`bytes`.", schema: { type: "string" } },
  "Content-Range": { description: "Which bytes these are, and of how many.", schema: { type: "string" } },
  "Content-Disposition": { description: "The name to save it under.", schema: { type: "string" } },
};

/** Headers of every answer; those of limits where there are any. */
export const everyAnswer = [
  "X-Request-ID",
  "X-RateLimit-Limit",
  "X-RateLimit-Remaining",
  "X-RateLimit-Reset",
];

/** Headers of requests, by their name. */
export const requestHeaders: Readonly<Record<string, JsonSchema>> = {
  "X-Device-ID": {
    description: "The installation of the app, which has to be the one that the token was given to.",
    required: true,
    schema: { type: "string", format: "uuid" },
    example: "8e2b1f0a-4c3d-4b5e-9f60-718293a4b5c6",
  },
  "X-App-Version": {
    description: "1 to 64 printable characters.",
    required: true,
    schema: { type: "string", minLength: 1, maxLength: 64 },
    example: "1.4.0",
  },
  "X-Request-ID": {
    description: "An id for this request; one is made where it is missing or not well-formed.",
    schema: { type: "string", pattern: "^[A-Za-z0-9._-]{1,128}$" },
  },
  Range: {
    description: "A single range of bytes, such as `bytes=0-1023`.",
    schema: { type: "string" },
  },
  "If-None-Match": { description: "ETags that are known already.", schema: { type: "string" } },
};

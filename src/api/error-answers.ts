import { z } from "zod";
import { type ErrorCode, errorStatus } from "../errors.ts";
import { conflict } from "../sync/conflict-description.ts";
import { everyAnswer } from "./header-descriptions.ts";
import type { JsonSchema } from "./json-schemas.ts";
import { instant, named, version } from "./vocabulary.ts";

const codes = Object.keys(errorStatus) as ErrorCode[];

const told = {
  message: z.string().min(1).describe("For people, in English."),
  details: z
    .record(z.string(), z.string())
    .nullable()
    .describe("What is wrong, by the path of the field; null where there is no more to say."),
  timestamp: instant,
  requestId: z.string().nullable(),
};

export const errorSchema = named("Error", z.strictObject({ error: z.enum(codes), ...told }));

export const versionConflictSchema = named(
  "VersionConflict",
  z.strictObject({
    error: z.literal("VERSION_CONFLICT"),
    ...told,
    currentVersion: version,
    expectedVersion: version,
    conflict: conflict.optional().describe("The conflict as it is now, where one was to be resolved."),
  }),
);

interface Told {
  readonly when: string;
  readonly message: string;
  readonly details?: Readonly<Record<string, string>>;
  readonly more?: Readonly<Record<string, unknown>>;
  readonly headers?: readonly string[];
}

/** When each error is answered, and what it looks like then. */
const errors: Readonly<Record<ErrorCode, Told>> = {
  VALIDATION_ERROR: {
    when: "A header, a parameter or the body is missing or wrong; `details` says which and how.",
    message: "email: must be an email address",
    details: { email: "must be an email address" },
  },
  HTTPS_REQUIRED: {
    when: "The request came over plain HTTP.",
    message: "Use https://; over plain HTTP anyone on the way could read this",
  },
  UNAUTHORIZED: {
    when: "Nobody is signed in, the token has expired, or what was given to sign in is wrong.",
    message: "The access token is not valid; refresh it",
    headers: ["WWW-Authenticate"],
  },
  FORBIDDEN: {
    when: "Whoever asks is known, and may not do this: another device's token, a wrong password, a link that is over.",
    message: "This token belongs to another device",
  },
  NOT_FOUND: { when: "There is no such thing, or it is another account's.", message: "Trip not found" },
  METHOD_NOT_ALLOWED: {
    when: "There is something here, but not by this method.",
    message: "Use GET or PUT here",
  },
  VERSION_CONFLICT: {
    when: "It has changed since the version that the request names.",
    message: "The entity has changed since; read it again",
    more: { currentVersion: 43, expectedVersion: 42 },
  },
  CONFLICT: {
    when: "Something else is there already.",
    message: "This email address is registered already",
  },
  PAYLOAD_TOO_LARGE: { when: "The body is too large.", message: "The body is larger than 1048576 bytes" },
  UNSUPPORTED_MEDIA_TYPE: {
    when: "The body is of a kind that is not read here.",
    message: "Send the body as application/json",
  },
  RANGE_NOT_SATISFIABLE: { when: "The range lies outside of it.", message: "There are only 2048 bytes" },
  RATE_LIMIT_EXCEEDED: {
    when: "There were too many requests of this kind.",
    message: "Too many requests; try again in 42 s",
    headers: ["Retry-After"],
  },
  INTERNAL_SERVER_ERROR: {
    when: "A defect of the server; its log has more.",
    message: "Something went wrong on the server; its log has this request id",
  },
  SERVICE_UNAVAILABLE: {
    when: "The database or the storage is away for a moment.",
    message: "The database is away for a moment; try again",
    headers: ["Retry-After"],
  },
};

function exampleOf(code: ErrorCode): JsonSchema {
  const { message, when, details = null, more } = errors[code];
  const timestamp = "2025-11-17T10:00:00.000Z";
  const requestId = "0d3c6f5e-7a41-4b8e-a9d2-5f1e8c7b6a90";
  return { summary: when, value: { error: code, message, details, timestamp, requestId, ...more } };
}

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

function schemaOf(some: readonly ErrorCode[]): JsonSchema {
  const plain = some.filter((code) => code !== "VERSION_CONFLICT");
  const alone = { allOf: [ref("Error"), { properties: { error: { enum: plain } } }] };
  if (plain.length === some.length) return alone;
  return plain.length === 0 ? ref("VersionConflict") : { anyOf: [alone, ref("VersionConflict")] };
}

/** An answer that tells of one of these errors, which all have the same status. */
export function errorResponse(some: readonly ErrorCode[]): JsonSchema {
  const own = some.flatMap((code) => errors[code].headers ?? []);
  return {
    description: some.map((code) => `\`${code}\`: ${errors[code].when}`).join("\n\n"),
    headers: headerRefs([...everyAnswer, ...own]),
    content: {
      "application/json": {
        schema: schemaOf(some),
        examples: Object.fromEntries(some.map((code) => [code, exampleOf(code)])),
      },
    },
  };
}

/** References to headers of answers. */
export function headerRefs(names: readonly string[]): JsonSchema {
  return Object.fromEntries(
    [...new Set(names)].map((name) => [name, { $ref: `#/components/headers/${name}` }]),
  );
}

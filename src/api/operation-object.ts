import { type ErrorCode, errorStatus } from "../errors.ts";
import { headerRefs } from "./error-answers.ts";
import { everyAnswer } from "./header-descriptions.ts";
import type { JsonSchema } from "./json-schemas.ts";
import type { Answer, Operation } from "./operation.ts";

/** An operation with the names that the document has for it and its parts. */
export interface Placed {
  readonly operationId: string;
  readonly tag: string;
  readonly operation: Operation;
}

/** Where a part of an operation stands among the schemas. */
export const placeOf = (operationId: string, part: string | number) => `${operationId}.${part}`;

/** Finds the schema of a part. */
export type Schemas = (place: string) => JsonSchema | undefined;

const json = "application/json";

/** The errors that an operation can end in: its own, and those that follow from what it is. */
export function errorsOf({ access, body, query, path, at, errors = [] }: Operation): ErrorCode[] {
  const reads = body !== undefined;
  const always: ErrorCode[] = [
    "HTTPS_REQUIRED",
    "RATE_LIMIT_EXCEEDED",
    "INTERNAL_SERVER_ERROR",
    "SERVICE_UNAVAILABLE",
  ];
  const found = new Set<ErrorCode>([...always, ...errors]);
  if (access === "device" || access === "account" || query || reads) found.add("VALIDATION_ERROR");
  if (access === "account") found.add("UNAUTHORIZED").add("FORBIDDEN");
  if (access === "link") found.add("FORBIDDEN");
  if (reads) found.add("PAYLOAD_TOO_LARGE").add("UNSUPPORTED_MEDIA_TYPE");
  if (path || at) found.add("NOT_FOUND");
  return (Object.keys(errorStatus) as ErrorCode[]).filter((code) => found.has(code));
}

/** The errors of an operation that share a status, under the name that their answer has in the document. */
export function errorGroups(operation: Operation): { status: number; codes: ErrorCode[]; name: string }[] {
  const groups = Map.groupBy(errorsOf(operation), (code) => errorStatus[code]);
  return [...groups].map(([status, codes]) => ({ status, codes, name: codes.join(".") }));
}

const examplesObject = (examples: Readonly<Record<string, unknown>> = {}) => ({
  examples: Object.fromEntries(Object.entries(examples).map(([name, value]) => [name, { value }])),
});

function contentOf(answer: Answer, schema: JsonSchema | undefined): JsonSchema {
  if (!schema) return {};
  const media = answer.mediaType ?? json;
  const content = media === json ? { schema, ...examplesObject(answer.examples) } : { schema };
  return { content: { [media]: content } };
}

function responsesOf({ operationId, operation }: Placed, schemas: Schemas): JsonSchema {
  const good = Object.entries(operation.answers).map(([status, answer]) => [
    status,
    {
      description: answer.description,
      headers: headerRefs([...everyAnswer, ...(answer.headers ?? [])]),
      ...contentOf(answer, schemas(placeOf(operationId, status))),
    },
  ]);
  const bad = errorGroups(operation).map(({ status, name }) => [
    String(status),
    { $ref: `#/components/responses/${name}` },
  ]);
  return { ...Object.fromEntries(bad), ...Object.fromEntries(good) };
}

function parametersIn(
  place: "path" | "query",
  schema: JsonSchema | undefined,
  examples: Readonly<Record<string, string>> = {},
): JsonSchema[] {
  const required = (schema?.required ?? []) as string[];
  return Object.entries((schema?.properties ?? {}) as Record<string, JsonSchema>).map(([name, inner]) => {
    const { description, ...rest } = inner;
    return {
      name,
      in: place,
      required: place === "path" || required.includes(name),
      ...(description !== undefined && { description }),
      schema: rest,
      ...(examples[name] !== undefined && { example: examples[name] }),
    };
  });
}

/** What every query may leave out is null to nobody: in an address, nothing is. */
function withoutNull(schema: JsonSchema | undefined): JsonSchema | undefined {
  const plain = Object.entries((schema?.properties ?? {}) as Record<string, JsonSchema>).map(
    ([name, inner]) => {
      const types = Array.isArray(inner.type) ? inner.type.filter((type) => type !== "null") : inner.type;
      const words = Array.isArray(inner.enum) ? { enum: inner.enum.filter((word) => word !== null) } : {};
      return [name, { ...inner, ...words, ...(types !== undefined && { type: String(types) }) }];
    },
  );
  return schema && { ...schema, properties: Object.fromEntries(plain) };
}

function parametersOf({ operationId, operation }: Placed, schemas: Schemas): JsonSchema[] {
  const { access, at, asked, headers = [] } = operation;
  const asks = access === "device" || access === "account";
  const names = [...(asks ? ["X-Device-ID", "X-App-Version", "X-Request-ID"] : []), ...headers];
  return [
    ...parametersIn("path", schemas(placeOf(operationId, "path")), at),
    ...parametersIn("query", withoutNull(schemas(placeOf(operationId, "query"))), asked),
    ...names.map((name) => ({ $ref: `#/components/parameters/${name}` })),
  ];
}

function bodyOf({ operationId, operation: { body } }: Placed, schemas: Schemas): JsonSchema {
  if (!body) return {};
  const schema = schemas(placeOf(operationId, "body"));
  const content = { [body.mediaType ?? json]: { schema, ...examplesObject(body.examples) } };
  return { requestBody: { required: !body.optional, content } };
}

/** An operation as OpenAPI has it. */
export function operationObject(placed: Placed, schemas: Schemas): JsonSchema {
  const { operationId, tag, operation } = placed;
  return {
    operationId,
    tags: [tag],
    summary: operation.summary,
    ...(operation.description && { description: operation.description }),
    security: operation.access === "account" ? [{ token: [] }] : [],
    parameters: parametersOf(placed, schemas),
    ...bodyOf(placed, schemas),
    responses: responsesOf(placed, schemas),
  };
}

import type { z } from "zod";
import { program } from "../version.ts";
import { chapters } from "./catalogue.ts";
import { errorResponse, errorSchema, versionConflictSchema } from "./error-answers.ts";
import { answerHeaders, requestHeaders } from "./header-descriptions.ts";
import { introduction } from "./introduction.ts";
import { type JsonSchema, toJsonSchemas } from "./json-schemas.ts";
import type { Operation, SeveralOperations } from "./operation.ts";
import { errorGroups, operationObject, type Placed, placeOf } from "./operation-object.ts";

/** Operations by path and method. */
export type Paths = Readonly<Record<string, Readonly<Record<string, JsonSchema>>>>;

/** An OpenAPI document, version 3.1.0. */
export interface OpenApiDocument {
  readonly openapi: string;
  readonly paths: Paths;
  readonly components: Readonly<Record<string, Readonly<Record<string, JsonSchema>>>>;
}

const basePath = "/api/v1";

const isSeveral = (entry: Operation | SeveralOperations): entry is SeveralOperations => "methods" in entry;

const capitalised = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);

/** Every operation that is described, by the name that its route carries; one that has several methods by each of them. */
function describedOperations(): Map<string, Placed> {
  const placed = chapters.flatMap(({ tag, operations }) =>
    Object.entries(operations).flatMap(([name, entry]) =>
      isSeveral(entry)
        ? Object.entries(entry.methods).map(([method, operation]) => {
            return { operationId: method + capitalised(name), tag, operation };
          })
        : [{ operationId: name, tag, operation: entry }],
    ),
  );
  return new Map(placed.map((one) => [one.operationId, one]));
}

/** Paths that one route answers by several methods, by the name that it carries. */
function severalByName(): Map<string, SeveralOperations> {
  const entries = chapters.flatMap(({ operations }) => Object.entries(operations));
  return new Map(entries.flatMap(([name, entry]) => (isSeveral(entry) ? [[name, entry] as const] : [])));
}

type Schemas = Readonly<Record<string, JsonSchema>>;

/** Named schemas of requests and of answers together. @throws when two that differ have one name */
function together(read: Schemas, told: Schemas): Schemas {
  const torn = Object.keys(read).find((name) => told[name] && !Bun.deepEquals(read[name], told[name]));
  if (torn) throw new Error(`requests and answers mean different things by the schema ${torn}`);
  return { ...read, ...told };
}

/** The schemas of all operations, at their places. */
function schemasOf(all: Iterable<Placed>) {
  const read: Record<string, z.ZodType> = {};
  const told: Record<string, z.ZodType> = { Error: errorSchema, VersionConflict: versionConflictSchema };
  for (const { operationId, operation } of all) {
    const { path, query, body, answers } = operation;
    for (const [part, schema] of Object.entries({ path, query, body: body?.schema }))
      if (schema) read[placeOf(operationId, part)] = schema;
    for (const [status, { schema }] of Object.entries(answers))
      if (schema) told[placeOf(operationId, status)] = schema;
  }
  const input = toJsonSchemas(read, "input");
  const output = toJsonSchemas(told, "output");
  return {
    places: { ...input.places, ...output.places },
    components: together(input.components, output.components),
  };
}

/** Answers that tell of errors, once each. */
function errorResponses(all: readonly Placed[]): Record<string, JsonSchema> {
  const found = all.flatMap(({ operation }) =>
    errorGroups(operation).map(({ name, codes }) => [name, errorResponse(codes)] as const),
  );
  return Object.fromEntries(found);
}

/** The name that a route carries, in each of the operations that were made of it. */
const nameIn = (methods: Readonly<Record<string, JsonSchema>>) =>
  String(Object.values(methods)[0]?.operationId ?? "");

/**
 * Puts descriptions in the place of the names that routes carry. A route that nobody described is left out.
 * @param bare the paths of the app; of each operation, its name
 */
function describe(bare: Paths, write: (operationId: string, shown: string) => JsonSchema | undefined): Paths {
  const several = severalByName();
  const taken = new Set<string>();
  const shownAs = (name: string) => (taken.has(name) ? `${name}UnderBasePath` : name);
  const paths = Object.entries(bare).flatMap(([path, methods]) => {
    const spread = several.get(nameIn(methods));
    const wanted = spread
      ? Object.keys(spread.methods).map((method) => [method, method + capitalised(nameIn(methods))] as const)
      : Object.entries(methods).map(([method, { operationId }]) => [method, String(operationId)] as const);
    const written = wanted.flatMap(([method, name]) => {
      const operation = write(name, shownAs(name));
      taken.add(name);
      return operation ? [[method, operation] as const] : [];
    });
    const ownPath = spread?.path ?? (path.replace(/(?<=.)\/$/, "") || "/");
    return written.length === 0 ? [] : [[ownPath, Object.fromEntries(written)] as const];
  });
  // Elysia lists a path with and without its slash as two.
  return Object.fromEntries(paths);
}

/**
 * Writes the description of the API (OpenAPI 3.1.0).
 * @param bare paths as the app has them, with the names of operations
 * @param serverUrl what addresses start with
 */
export function writeDocument(bare: Paths, serverUrl: string): OpenApiDocument {
  const operations = describedOperations();
  const all = [...operations.values()];
  const { places, components } = schemasOf(all);
  const paths = describe(bare, (name, shown) => {
    const placed = operations.get(name);
    return placed && { ...operationObject(placed, (place) => places[place]), operationId: shown };
  });
  const document = {
    openapi: "3.1.0",
    info: {
      title: "Trailglass",
      version: program.version,
      description: introduction,
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: serverUrl }],
    tags: chapters.map(({ tag: name, description }) => ({ name, description })),
    paths,
    components: {
      schemas: components,
      responses: errorResponses(all),
      headers: answerHeaders as Record<string, JsonSchema>,
      parameters: parameterComponents(),
      securitySchemes: {
        token: {
          type: "http",
          scheme: "bearer",
          bearerFormat: "JWT",
          description: `The \`accessToken\` of \`POST ${basePath}/auth/login\`.`,
        },
      },
    },
  };
  return document;
}

function parameterComponents(): Record<string, JsonSchema> {
  return Object.fromEntries(
    Object.entries(requestHeaders).map(([name, header]) => [name, { name, in: "header", ...header }]),
  );
}

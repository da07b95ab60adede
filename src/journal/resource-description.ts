import { z } from "zod";
import type { Operation } from "../api/operation.ts";
import { writtenAs } from "../api/story.ts";
import { named, written } from "../api/vocabulary.ts";
import type { Entity } from "../sync/entity.ts";
import { entityId, version as givenVersion } from "../sync/schemas.ts";
import { common, patchSchema } from "./resource.ts";

/** An entity's id in a path. */
export const idInPath = z.object({ id: entityId });

/** What makes a new entity. */
export function newEntity(name: string, { schema }: Entity) {
  const id = entityId.nullish().describe("One is made where it is missing.");
  return named(name, z.object({ id, ...schema.shape, ...common.shape }));
}

/** What changes an entity: what is missing or null stays as it is. */
export function entityChange(name: string, entity: Entity) {
  const expectedVersion = givenVersion.describe("The `serverVersion` that the change was made from.");
  return named(name, z.object({ ...patchSchema(entity).shape, ...common.shape, expectedVersion }));
}

interface Example {
  readonly id: string;
  readonly value: unknown;
}
/** Of a write. */
interface WriteExample extends Example {
  /** That the entity has afterwards. */
  readonly version: number;
}

/** Reads one entity. */
export function readOne(summary: string, schema: z.ZodType, { id, value }: Example): Operation {
  const answers = { 200: { description: "As it stands.", schema, examples: { one: value } } };
  return { summary, access: "account", path: idInPath, at: { id }, answers };
}

/** Makes an entity. */
export function createOne(
  summary: string,
  schema: z.ZodType,
  { id, value, version }: WriteExample,
): Operation {
  return {
    summary,
    description:
      "The same again is answered the same again; other content under an id that is taken is a 409.",
    access: "account",
    body: { schema, examples: { one: value } },
    answers: {
      201: {
        description: "It is there.",
        schema: written,
        examples: { one: writtenAs(id, version) },
      },
    },
    errors: ["VERSION_CONFLICT"],
  };
}

/** Changes an entity. */
export function changeOne(
  summary: string,
  schema: z.ZodType,
  { id, value, version }: WriteExample,
): Operation {
  return {
    summary,
    description: "What is missing or null stays as it is. A list replaces the one that was there.",
    access: "account",
    path: idInPath,
    at: { id },
    body: { schema, examples: { one: value } },
    answers: {
      200: {
        description: "It is changed.",
        schema: written,
        examples: { one: writtenAs(id, version) },
      },
    },
    errors: ["VERSION_CONFLICT"],
  };
}

/** Deletes an entity. */
export function removeOne(summary: string, id: string): Operation {
  return {
    summary,
    description: "Deleting what is deleted already is fine; what never was is a 404.",
    access: "account",
    path: idInPath,
    at: { id },
    answers: { 204: { description: "It is deleted." } },
  };
}

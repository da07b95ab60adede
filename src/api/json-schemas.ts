import { z } from "zod";

export type JsonSchema = { [key: string]: unknown };

/** Schemas by place, and those that have a name, once each. */
export interface JsonSchemas {
  readonly places: Readonly<Record<string, JsonSchema>>;
  readonly components: Readonly<Record<string, JsonSchema>>;
}

const isObject = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isNull = (schema: JsonSchema) => schema.type === "null" && Object.keys(schema).length === 1;

/** `X or null` as OpenAPI 3.1 has it: a second type, where X has one type. */
function nullable({ anyOf, ...rest }: JsonSchema): JsonSchema {
  const [value, nothing] = anyOf as JsonSchema[];
  if (!value || !nothing || !isNull(nothing)) return { ...rest, anyOf };
  if (Array.isArray(value.type) && value.type.includes("null")) return { ...value, ...rest };
  if (typeof value.type !== "string") return { ...rest, anyOf };
  const words = Array.isArray(value.enum) ? { enum: [...value.enum, null] } : {};
  return { ...value, ...words, ...rest, type: [value.type, "null"] };
}

/** Bounds that every whole number of JavaScript has say nothing. */
function withoutSafeBounds(schema: JsonSchema): JsonSchema {
  const { minimum, maximum, ...rest } = schema;
  return {
    ...rest,
    ...(minimum !== undefined && minimum !== Number.MIN_SAFE_INTEGER && { minimum }),
    ...(maximum !== undefined &&
      maximum !== Number.MAX_SAFE_INTEGER &&
      maximum !== Number.MAX_VALUE && { maximum }),
  };
}

/** The keys of a schema whose values have names of a writer's own in them, and no keywords. */
const namedInside = new Set(["properties", "$defs"]);

function tidy(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(tidy);
  if (!isObject(schema)) return schema;
  const { id: _named, ...keywords } = schema;
  const whole = Object.fromEntries(
    Object.entries(keywords).map(([key, value]) => {
      if (namedInside.has(key) && isObject(value))
        return [key, Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, tidy(inner)]))];
      if (key === "$ref") return [key, String(value).replace("#/$defs/", "#/components/schemas/")];
      return [key, key === "examples" || key === "default" || key === "enum" ? value : tidy(value)];
    }),
  );
  const plain = whole.type === "integer" || whole.type === "number" ? withoutSafeBounds(whole) : whole;
  return Array.isArray(plain.anyOf) && plain.anyOf.length === 2 ? nullable(plain) : plain;
}

/**
 * Spells zod's schemas as JSON Schema.
 * @param io `input` for what is read, `output` for what is answered
 */
export function toJsonSchemas(
  schemas: Readonly<Record<string, z.ZodType>>,
  io: "input" | "output",
): JsonSchemas {
  const { properties = {}, $defs = {} } = z.toJSONSchema(z.object(schemas), { io });
  return { places: tidyAll(properties), components: tidyAll($defs) };
}

function tidyAll(schemas: object): Record<string, JsonSchema> {
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [name, tidy(schema) as JsonSchema]),
  );
}

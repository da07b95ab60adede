import { rename } from "node:fs/promises";
import { join } from "node:path";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { describeApi } from "../../src/api/api-routes.ts";
import type { createApp } from "../../src/app.ts";
import { type SeenAnswer, UndocumentedAnswer } from "./answer-inspection.ts";

interface Described {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, { readonly schema?: object }>>;
}
interface DescribedOperation {
  readonly responses: Readonly<Record<string, Described>>;
}
export interface ReadDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, DescribedOperation>>>>;
  readonly components: { readonly responses: Readonly<Record<string, Described>> };
}

const documentId = "openapi.json";
const escaped = (part: string) => part.replaceAll("~", "~0").replaceAll("/", "~1");
const pointer = (...parts: string[]) => `${documentId}#/${parts.map(escaped).join("/")}`;

/** Paths of the document as patterns; those with fewer parameters first. */
function patternsOf({ paths }: ReadDocument) {
  return Object.keys(paths)
    .map((path) => ({ path, parameters: path.split("{").length }))
    .sort((one, other) => one.parameters - other.parameters)
    .map(({ path }) => ({ path, pattern: new RegExp(`^${path.replace(/\{\w+\}/g, "[^/]+")}/?$`) }));
}

/** Every process of the suite compiles schemas anew. The document itself is validated elsewhere. */
const quick = {
  strict: false,
  inlineRefs: false,
  meta: false,
  validateSchema: false,
  code: { optimize: false, source: false },
} as const;

/** Holds answers against the API's own description. Each schema is compiled when it is first needed. */
export class DocumentedAnswers {
  readonly #ajv = new Ajv2020(quick);
  readonly #patterns: ReturnType<typeof patternsOf>;
  readonly #validators = new Map<string, ValidateFunction>();

  constructor(readonly document: ReadDocument) {
    addFormats.default(this.#ajv);
    // Looked into by references only: its own keywords mean something else than a schema's.
    this.#ajv.addSchema({ $id: documentId, ...document }, documentId, false, false);
    this.#patterns = patternsOf(document);
  }

  /** @throws UndocumentedAnswer when the status is not described, or the body is not as described */
  check(answer: SeenAnswer): void {
    const { path } = answer;
    const found = this.#patterns.find(({ pattern }) => pattern.test(path));
    const method = answer.method.toLowerCase();
    const operations = found && this.document.paths[found.path];
    const operation = operations?.[method] ?? (method === "head" ? operations?.get : undefined);
    if (found && operation)
      this.#checkKnown(answer, found.path, operations?.[method] ? method : "get", operation);
    else this.#checkStranger(answer, found !== undefined);
  }

  #checkKnown(answer: SeenAnswer, shown: string, method: string, { responses }: DescribedOperation): void {
    const status = String(answer.status);
    const described = responses[status];
    if (!described)
      throw new UndocumentedAnswer(
        `${answer.method} ${answer.path} answered ${status}, which ${shown} does not describe: add it to the \`answers\` or \`errors\` of its operation. It says: ${answer.text.slice(0, 300)}`,
      );
    const shared = described.$ref?.split("/").at(-1);
    const { content = {} } =
      shared === undefined ? described : (this.document.components.responses[shared] ?? {});
    const place =
      shared === undefined
        ? ["paths", shown, method, "responses", status]
        : ["components", "responses", shared];
    this.#checkContent(answer, place, content);
  }

  /** What is at no described address is an error, and has the shape of one. */
  #checkStranger(answer: SeenAnswer, isKnownPath: boolean): void {
    const expected = isKnownPath ? [400, 405] : [400, 403, 404, 405, 429, 503];
    if (!expected.includes(answer.status))
      throw new UndocumentedAnswer(
        `${answer.method} ${answer.path} answered ${answer.status}, and is not described: give its route a third argument \`described("name")\`, and an operation of that name to a \`*-description.ts\`.`,
      );
    if (answer.method !== "HEAD") this.#checkBody(answer, ["components", "schemas", "Error"]);
  }

  #checkContent(
    answer: SeenAnswer,
    place: readonly string[],
    content: Record<string, { schema?: object }>,
  ): void {
    const types = Object.keys(content);
    if (answer.method === "HEAD") return;
    if (types.length === 0) {
      if (answer.text === "") return;
      throw new UndocumentedAnswer(`${nameOf(answer)} has a body, and is described without one`);
    }
    const given = answer.contentType?.split(";")[0] ?? "";
    const fits = types.find(
      (type) =>
        type === given || type === "*/*" || (type.endsWith("/*") && given.startsWith(type.slice(0, -1))),
    );
    if (!fits)
      throw new UndocumentedAnswer(
        `${nameOf(answer)} is ${given || "without a type"}; described is ${types.join(", ")}`,
      );
    if (fits === "application/json") this.#checkBody(answer, [...place, "content", fits, "schema"]);
  }

  #checkBody(answer: SeenAnswer, place: readonly string[]): void {
    const validate = this.#validatorAt(place);
    let value: unknown;
    try {
      value = JSON.parse(answer.text);
    } catch {
      throw new UndocumentedAnswer(`${nameOf(answer)} is no JSON: ${answer.text.slice(0, 300)}`);
    }
    if (validate(value)) return;
    throw new UndocumentedAnswer(
      `${nameOf(answer)} is not as described: ${problemsOf(validate)}. It says: ${answer.text.slice(0, 600)}`,
    );
  }

  /** The validator of the schema at a place of the document. */
  #validatorAt(place: readonly string[]): ValidateFunction {
    const address = pointer(...place);
    const known = this.#validators.get(address);
    if (known) return known;
    const compiled = this.#ajv.compile({ $ref: address });
    this.#validators.set(address, compiled);
    return compiled;
  }

  /** What is wrong with a value by the schema at a place; null when nothing is. */
  problemsAt(place: readonly string[], value: unknown): string | null {
    const validate = this.#validatorAt(place);
    return validate(value) ? null : problemsOf(validate);
  }
}

const nameOf = ({ method, path, status }: SeenAnswer) => `the answer ${status} to ${method} ${path}`;

function problemsOf({ errors }: ValidateFunction): string {
  const told = (errors ?? []).slice(0, 4).map(({ instancePath, message, params }) => {
    const { additionalProperty } = params as { additionalProperty?: string };
    return `${instancePath || "the whole"} ${message}${additionalProperty === undefined ? "" : ` (${additionalProperty})`}`;
  });
  return told.join("; ");
}

/** What tells one application's description from another's: its routes, and the names that they carry. */
function nameOfDescription({ routes }: ReturnType<typeof createApp>): string {
  const carried = routes.map(({ method, path, hooks }) => [method, path, hooks?.detail?.operationId]);
  return `openapi-${Bun.hash(JSON.stringify(carried)).toString(16)}.json`;
}

/**
 * The description, from where another process of the same run has left it: making it takes as long as many a test. See
 * `TEST_MODELS` in scripts/test.sh.
 */
async function readDescription(app: ReturnType<typeof createApp>): Promise<ReadDocument> {
  const models = process.env.TEST_MODELS;
  const left = models && Bun.file(join(models, nameOfDescription(app)));
  if (left && (await left.exists())) return left.json();
  const document = await describeApi(app, "/");
  if (left) {
    const whole = `${left.name}.${process.pid}`;
    await Bun.write(whole, JSON.stringify(document));
    await rename(whole, left.name as string);
  }
  return document as unknown as ReadDocument;
}

/** The API's description, read once for all servers of a process. */
let made: Promise<DocumentedAnswers> | undefined;

/** What every answer of a test is held against. */
export function documentOf(app: ReturnType<typeof createApp>): Promise<DocumentedAnswers> {
  made ??= readDescription(app).then((document) => new DocumentedAnswers(document));
  return made;
}

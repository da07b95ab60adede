import { link, phone } from "../../src/api/story.ts";
import type { DocumentedAnswers, ReadDocument } from "../support/documented-answers.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Examples = Readonly<Record<string, { readonly value: Json }>>;

interface Parameter {
  readonly $ref?: string;
  readonly name: string;
  readonly in: string;
  readonly example?: string;
}

/** An operation as the document has it. */
export interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly Parameter[];
  readonly security?: readonly object[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly examples?: Examples }>> };
  readonly responses: Readonly<
    Record<string, { content?: Readonly<Record<string, { examples?: Examples }>> }>
  >;
}

/** An operation, and where it stands. */
export interface Placed {
  readonly path: string;
  readonly method: string;
  readonly operation: Operation;
}

/** Every operation of a document. */
export function operationsOf(document: ReadDocument): Placed[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      path,
      method,
      operation: operation as unknown as Operation,
    })),
  );
}

/** Names of the examples that an operation's body has; one without a name where there is no body. */
export function namesOf({ operation: { requestBody } }: Placed): (string | null)[] {
  const names = Object.values(requestBody?.content ?? {}).flatMap(({ examples }) =>
    Object.keys(examples ?? {}),
  );
  return requestBody ? names : [null];
}

/** Keys whose values a server makes up: later requests are sent with its own in the place of the example's. */
const madeUp = new Set(["accessToken", "refreshToken", "conflictId", "exportId", "url", "thumbnailUrl"]);

/** What stands for bytes in an example. */
const placeOfBytes = "(bytes of a JPEG)";

export interface Played {
  readonly status: number;
  readonly expected: number;
  readonly json: Json | undefined;
  readonly example: Json | undefined;
}

/** Plays examples of a document against a server. What it answered stands in for what the examples say it does. */
export class Replay {
  readonly #real = new Map<string, string>();
  readonly #tokens = new Map<string, string>();

  constructor(
    private readonly url: string,
    private readonly answers: DocumentedAnswers,
    private readonly picture: Uint8Array<ArrayBuffer>,
  ) {}

  /** From now on, a text of the examples stands for another. */
  learn(example: string, real: string): void {
    this.#real.set(example, real);
  }

  /** Plays one example. @throws UndocumentedAnswer when the answer is not as described */
  async play(placed: Placed, name: string | null): Promise<Played> {
    const { method, operation } = placed;
    const [mediaType, media] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
    const body = name === null ? undefined : this.#translated(media?.examples?.[name]?.value ?? null);
    const deviceId = deviceOf(body);
    const headers = this.#headers(operation, deviceId);
    if (mediaType && mediaType !== "multipart/form-data")
      headers.set("Content-Type", mediaType.replace("image/*", "image/jpeg"));
    const request = { method: method.toUpperCase(), headers, redirect: "manual" } as const;
    const sent = body === undefined ? request : { ...request, body: this.#bodyOf(mediaType ?? "", body) };
    const address = this.#address(placed);
    const response = await fetch(address, sent);
    const text = await response.text();
    const contentType = response.headers.get("content-type");
    const seen = {
      method: request.method,
      path: new URL(address).pathname,
      status: response.status,
      contentType,
      text,
    };
    this.answers.check(seen);
    const json = contentType?.includes("json") && text ? (JSON.parse(text) as Json) : undefined;
    const { status: expected, example } = expectedOf(operation, name);
    if (response.status === expected) this.#learnFrom(example, json, deviceId);
    return { status: response.status, expected, json, example };
  }

  #headers({ security }: Operation, deviceId: string): Headers {
    const headers = new Headers({ "X-Device-ID": deviceId, "X-App-Version": phone.appVersion });
    const token = this.#tokens.get(deviceId);
    if (security?.length && token) headers.set("Authorization", `Bearer ${token}`);
    return headers;
  }

  #address({ path, operation: { parameters = [] } }: Placed): string {
    const exampleOf = new Map(
      parameters.map(({ name, in: place, example }) => [`${place}.${name}`, example ?? ""]),
    );
    if (path.startsWith("/storage/")) {
      const signed = link(exampleOf.get("path.area") ?? "", exampleOf.get("path.name") ?? "");
      return this.#real.get(signed) ?? this.url + new URL(signed).pathname;
    }
    const filled = path.replace(/\{(\w+)\}/g, (_all, name) => {
      const part = exampleOf.get(`path.${name}`) ?? "";
      return encodeURIComponent(this.#real.get(part) ?? part);
    });
    const asked = parameters.flatMap(({ name, in: place, example }) =>
      place === "query" && example !== undefined ? [[name, example] as [string, string]] : [],
    );
    return `${this.url}${filled}?${new URLSearchParams(asked)}`;
  }

  #bodyOf(mediaType: string, body: Json): string | Blob | FormData {
    if (mediaType === "application/json") return JSON.stringify(body);
    if (mediaType === "application/x-www-form-urlencoded")
      return new URLSearchParams(body as Record<string, string>).toString();
    if (mediaType !== "multipart/form-data") return new Blob([this.picture], { type: "image/jpeg" });
    const form = new FormData();
    for (const [name, value] of Object.entries(body as Record<string, Json>))
      form.set(
        name,
        value === placeOfBytes ? new Blob([this.picture], { type: "image/jpeg" }) : JSON.stringify(value),
      );
    return form;
  }

  #translated(value: Json): Json {
    if (typeof value === "string") return this.#real.get(value) ?? value;
    if (Array.isArray(value)) return value.map((item) => this.#translated(item));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, this.#translated(inner)]));
  }

  #learnFrom(example: Json | undefined, real: Json | undefined, deviceId: string): void {
    if (!isObject(example) || !isObject(real)) return;
    for (const [key, value] of Object.entries(example)) {
      const found = (real as Record<string, Json>)[key];
      if (madeUp.has(key) && typeof value === "string" && typeof found === "string") this.learn(value, found);
      if (key === "accessToken") this.#tokens.set(deviceId, String(found));
      this.#learnFrom(value, found, deviceId);
    }
  }
}

const isObject = (value: unknown): value is Record<string, Json> =>
  typeof value === "object" && value !== null;

/** The device that a request speaks for. */
function deviceOf(body: Json | undefined): string {
  if (!isObject(body)) return phone.deviceId;
  const { deviceId, deviceInfo } = body as { deviceId?: string; deviceInfo?: { deviceId: string } };
  return deviceId ?? deviceInfo?.deviceId ?? phone.deviceId;
}

/** How an example is answered when all is well: the first such status, or the one with an example of that name. */
function expectedOf({ responses }: Operation, name: string | null) {
  const good = Object.entries(responses).filter(([status]) => status.startsWith("2"));
  const told = good.map(([status, { content }]) => {
    const examples = content?.["application/json"]?.examples ?? {};
    return { status: Number(status), example: name === null ? Object.values(examples)[0] : examples[name] };
  });
  const { status = 0, example } = told.find((one) => one.example) ?? told[0] ?? {};
  return { status, example: example?.value };
}

/** Whether two values are of the same kind, all the way down: same keys, null where the other is, lists with something in them. */
export function unlikeness(example: Json | undefined, real: Json | undefined, at = ""): string | null {
  const kind = (value: unknown) =>
    value === null
      ? "null"
      : Array.isArray(value)
        ? value.length > 0
          ? "a list"
          : "an empty list"
        : typeof value;
  if (kind(example) !== kind(real))
    return `${at || "the whole"} is ${kind(real)}, and ${kind(example)} in the example`;
  if (!isObject(example) || !isObject(real)) return null;
  if (Array.isArray(example)) return unlikeness(example[0], (real as unknown as Json[])[0], `${at}/0`);
  const keys = [Object.keys(example), Object.keys(real)].map((list) => list.sort().join(" "));
  if (keys[0] !== keys[1])
    return `${at || "the whole"} has the keys ${keys[1]}, and ${keys[0]} in the example`;
  for (const key of Object.keys(example)) {
    const found = unlikeness(example[key], real[key], `${at}/${key}`);
    if (found) return found;
  }
  return null;
}

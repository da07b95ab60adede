import { createHash } from "node:crypto";
import { z } from "zod";
import type { Content, Entity, Kind } from "./entity.ts";
import { entityId, instant, maybe, version } from "./schemas.ts";

/** One thing that a device wants to be so, checked and normalised. */
export interface Change {
  readonly kind: Kind;
  readonly id: string;
  readonly deleted: boolean;
  /** Null for a deletion. An envelope's content is `{encryptedData, encryptionVersion}`. */
  readonly content: Content | null;
  readonly encrypted: boolean;
  /** Version of the entity that this was made from; null when the device knew none. */
  readonly base: number | null;
  readonly localVersion: number | null;
  readonly lastModified: string | null;
  /**
   * How empty values and lists read. `delta`: empty is no news where phones know nothing, and lists only add.
   * `patch`: null is no news everywhere, and a list replaces. `whole`: as it stands. `merged`: as it stands, and a list
   * replaces unless it is null. `ifNew`: as it stands where nothing is there; of what is there only the links grow.
   */
  readonly reading: "delta" | "patch" | "whole" | "merged" | "ifNew";
  /** Compare-and-set: written only onto the base that it names. */
  readonly strict: boolean;
}

/** An item that cannot be taken, with the id it came with and what is wrong with it. */
export interface InvalidItem {
  readonly kind: Kind;
  readonly id: string;
  readonly message: string;
}

/** Longest ciphertext in characters; a trip with thousands of ids fits. */
const longestCiphertext = 256 * 1024;
const base64 = "[A-Za-z0-9+/_-]+={0,2}";

/** What comes with an entity in a delta, beside its own fields. */
export const common = z.object({
  id: entityId,
  syncAction: maybe(z.enum(["CREATE", "UPDATE", "DELETE"], "must be CREATE, UPDATE or DELETE")),
  localVersion: maybe(z.number("must be a whole number").int("must be a whole number")),
  serverVersion: maybe(version),
  lastModified: maybe(instant),
});

/** An encrypted entity. Its text is opaque: `iv:tag:ciphertext` in base64 is all that is ever asked of it. */
export const envelopeSchema = z.object({
  encryptedData: z
    .string("must be a string")
    .max(longestCiphertext, `is longer than ${longestCiphertext} characters`)
    .regex(new RegExp(`^${base64}:${base64}:${base64}$`), "must be iv:tag:ciphertext in base64"),
  encryptionVersion: z.number("must be a whole number").int("must be a whole number").min(1).max(1_000_000),
});

function messageOf(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue ? `${issue.path.join(".") || "item"}: ${issue.message}` : "is not valid";
}

/** The id of an envelope that came without one: the same ciphertext gets the same id, so a repeat stays one entity. */
function idOfCiphertext(data: unknown): string {
  const text = typeof data === "string" ? data : "";
  return `envelope_${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
}

function withId(raw: unknown, fixedId: string | undefined, encrypted: boolean): Record<string, unknown> {
  const item = typeof raw === "object" && raw !== null ? (raw as Record<string, unknown>) : {};
  if (fixedId !== undefined) return { ...item, id: fixedId };
  return encrypted && (item.id ?? null) === null ? { ...item, id: idOfCiphertext(item.encryptedData) } : item;
}

/**
 * Reads one item of a delta's list. Never throws: a bad item must not spoil its batch.
 * @param fixedId id of a kind that has one entity only
 */
export function readChange(
  entity: Pick<Entity, "kind" | "schema" | "contradiction">,
  raw: unknown,
  { encrypted, fixedId }: { encrypted: boolean; fixedId?: string | undefined },
): Change | InvalidItem {
  const item = withId(raw, fixedId, encrypted);
  const invalid = (message: string): InvalidItem => ({
    kind: entity.kind,
    id: typeof item.id === "string" || typeof item.id === "number" ? String(item.id).slice(0, 128) : "",
    message,
  });
  const meta = common.safeParse(item);
  if (!meta.success) return invalid(messageOf(meta.error));
  const { id, syncAction, localVersion, serverVersion: base, lastModified } = meta.data;
  const change = {
    kind: entity.kind,
    id,
    encrypted,
    base,
    localVersion,
    lastModified,
    reading: "delta",
    strict: false,
  } as const;
  if (syncAction === "DELETE") return { ...change, deleted: true, content: null };
  const content = (encrypted ? envelopeSchema : entity.schema).safeParse(item);
  if (!content.success) return invalid(messageOf(content.error));
  const contradiction = encrypted ? null : (entity.contradiction?.(content.data) ?? null);
  return contradiction ? invalid(contradiction) : { ...change, deleted: false, content: content.data };
}

export const isInvalid = (item: Change | InvalidItem): item is InvalidItem => "message" in item;

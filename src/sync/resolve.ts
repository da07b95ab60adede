import { createHash } from "node:crypto";
import { Column, sql } from "drizzle-orm";
import { z } from "zod";
import type { Transaction } from "../database/client.ts";
import { AppError, invalid, notFound, versionConflict } from "../errors.ts";
import type { AccountQueue } from "./account-queue.ts";
import { applyChanges, type Writer } from "./apply-changes.ts";
import { type Change, envelopeSchema } from "./change.ts";
import { conflictView } from "./conflict-list.ts";
import { type ConflictRecord, lockConflict, remoteSide, settle } from "./conflicts.ts";
import { type Counter, lockCounter } from "./counter.ts";
import type { Stored } from "./decide.ts";
import { readProgress } from "./device-progress.ts";
import type { Content, Entity, Registry } from "./entity.ts";
import { readStoredEnvelopes } from "./envelopes.ts";
import { readStored } from "./rows.ts";
import { maybe } from "./schemas.ts";
import { whateverIsThere } from "./write.ts";

export const resolveSchema = z.object({
  conflictId: z.guid("must be a UUID").toLowerCase(),
  resolution: z.enum(
    ["KEEP_LOCAL", "KEEP_REMOTE", "MERGE", "MANUAL"],
    "must be KEEP_LOCAL, KEEP_REMOTE, MERGE or MANUAL",
  ),
  resolvedEntity: maybe(z.record(z.string(), z.unknown(), "must be an object")),
});
export type ResolveRequest = z.infer<typeof resolveSchema>;

/** What a resolution came to, in the shape of the answer; kept, so that a repeat is told the same. */
interface Settled {
  readonly success: true;
  readonly syncVersion: number;
  readonly acceptedEntity: {
    readonly id: string;
    readonly serverVersion: number;
    readonly syncTimestamp: string;
  };
}

type Locked = NonNullable<Awaited<ReturnType<typeof lockConflict>>>;

/** What tells a repeat from another resolution. What was asked itself may hold anything, and is not kept. */
function digestOf({ resolvedEntity }: ResolveRequest): string {
  const entries = Object.entries(resolvedEntity ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(entries)).digest("hex");
}

/** Settling a settled conflict the same way again is told the same; another way is refused. */
function repeatOf(conflict: Locked, request: ResolveRequest): Settled {
  const detail =
    conflict.detail === null ? null : (JSON.parse(conflict.detail) as { digest: string; answer: Settled });
  const sameWay =
    conflict.resolution === request.resolution && (!detail || detail.digest === digestOf(request));
  if (!sameWay) throw new AppError("CONFLICT", `This conflict was settled as ${conflict.resolution} already`);
  return (
    detail?.answer ?? {
      success: true,
      syncVersion: 0,
      acceptedEntity: {
        id: conflict.entityId,
        serverVersion: conflict.remote.version ?? 0,
        syncTimestamp: conflict.resolvedAt ?? new Date().toISOString(),
      },
    }
  );
}

const isText = (entity: Entity, key: string) => {
  const node = entity.fields[key];
  if (node instanceof Column) return !/^(double|bigint|integer|boolean|jsonb)/.test(node.getSQLType());
  return key.endsWith("Id");
};

/** Today's app sends every value as text: what is no text is read from it as JSON; empty text there means nothing. */
function readValue(entity: Entity, key: string, value: unknown): unknown {
  if (typeof value !== "string" || isText(entity, key)) return value;
  if (value.trim() === "") return null;
  try {
    return JSON.parse(value);
  } catch {
    throw invalid({ [`resolvedEntity.${key}`]: "is not readable" });
  }
}

/** What a person merged: the given keys over the remote side, or over the local one where the remote is deleted. */
function mergedContent(
  entity: Entity,
  conflict: ConflictRecord,
  given: Content,
  encrypted: boolean,
): Content {
  const under = conflict.remote.deleted ? conflict.local.content : conflict.remote.content;
  const keys = encrypted
    ? ["encryptedData", "encryptionVersion"]
    : Object.keys(entity.fields).filter((key) => !entity.internal?.includes(key));
  const said = keys
    .filter((key) => key in given)
    .map((key) => [key, encrypted ? given[key] : readValue(entity, key, given[key])]);
  const whole = { ...under, ...Object.fromEntries(said) };
  const result = (encrypted ? envelopeSchema : entity.schema).safeParse(
    encrypted ? { ...whole, encryptionVersion: Number(whole.encryptionVersion) } : whole,
  );
  if (!result.success) {
    throw invalid(
      Object.fromEntries(
        result.error.issues.map((issue) => [`resolvedEntity.${issue.path.join(".")}`, issue.message]),
      ),
    );
  }
  const contradiction = encrypted ? null : (entity.contradiction?.(result.data) ?? null);
  if (contradiction) throw invalid({ resolvedEntity: contradiction });
  return result.data;
}

/** The content without the lists that a merge does not name: they stay, with what in them does not show yet. */
function withoutUnsaidLists(entity: Entity, content: Content, given: Content): Content {
  const unsaid = Object.keys(entity.linkKeys ?? {}).filter((key) => !(key in given));
  return { ...content, ...Object.fromEntries(unsaid.map((key) => [key, null])) };
}

function chosenChange(
  entity: Entity,
  conflict: ConflictRecord,
  { resolution, resolvedEntity }: ResolveRequest,
): Change {
  const { local } = conflict;
  const common = { kind: entity.kind, id: conflict.entityId, base: whateverIsThere, strict: false } as const;
  if (resolution === "KEEP_LOCAL") {
    if (local.content === null && !local.deleted)
      throw new AppError("CONFLICT", "The text of this side was erased when the entity was encrypted");
    const { localVersion, lastModified, deleted, encrypted, content } = local;
    return { ...common, reading: "delta", localVersion, lastModified, deleted, encrypted, content };
  }
  if (!resolvedEntity) throw invalid({ resolvedEntity: `is needed for ${resolution}` });
  const encrypted = conflict.remote.deleted ? local.encrypted : conflict.remote.encrypted;
  const merged = mergedContent(entity, conflict, resolvedEntity, encrypted);
  const isNew = encrypted || conflict.remote.deleted;
  const content = isNew ? merged : withoutUnsaidLists(entity, merged, resolvedEntity);
  // Lists of a merge say what shall be: as in a PUT, what they leave out goes.
  return {
    ...common,
    reading: isNew ? "whole" : "merged",
    // Later than the side it was merged from: a late duplicate of that must not undo it (rule 4).
    localVersion: (local.localVersion ?? 0) + 1,
    lastModified: new Date().toISOString(),
    deleted: false,
    encrypted,
    content,
  };
}

async function readOne(
  tx: Transaction,
  entity: Entity,
  userId: string,
  id: string,
  { hasEnvelopes }: Counter,
): Promise<Stored | null> {
  const envelope = hasEnvelopes
    ? (await readStoredEnvelopes(tx, entity.kind, userId, [id])).get(id)
    : undefined;
  return envelope ?? (await readStored(tx, entity, userId, [id])).get(id) ?? null;
}

/** Refuses with the conflict as it is now when the entity has moved since it was recorded. */
async function requireUnmoved(
  tx: Transaction,
  registry: Registry,
  userId: string,
  conflict: ConflictRecord,
  stored: Stored | null,
) {
  if (!stored || stored.version === conflict.remoteVersion) return null;
  const remote = remoteSide(stored);
  await tx.execute(sql`
    UPDATE sync_conflicts SET remote_side = ${JSON.stringify(remote)}::text::jsonb, remote_version = ${stored.version},
      reported_version = NULL, updated_at = now()
    WHERE user_id = ${userId} AND id = ${conflict.id}`);
  const refreshed = conflictView(registry, { ...conflict, remote });
  return versionConflict(stored.version, conflict.remoteVersion, { conflict: refreshed });
}

async function writeChoice(
  tx: Transaction,
  registry: Registry,
  counter: Counter,
  writer: Writer,
  change: Change,
): Promise<number> {
  const applied = await applyChanges(tx, registry, counter, {
    writer,
    changes: [change],
    lastSyncVersion: null,
    pending: [],
    keepsConflicts: false,
  });
  const [outcome] = applied.outcomes;
  if (!outcome?.decision.accepted) throw new Error("a resolution was not written");
  return outcome.version ?? counter.current;
}

async function record(
  tx: Transaction,
  userId: string,
  conflict: ConflictRecord,
  request: ResolveRequest,
  answer: Settled,
) {
  await settle(tx, userId, [conflict.id], request.resolution);
  const detail = JSON.stringify({ digest: digestOf(request), answer });
  await tx.execute(sql`
    UPDATE sync_conflicts SET resolution_detail = ${detail}::text::jsonb, owed = ${request.resolution === "KEEP_REMOTE"}
    WHERE user_id = ${userId} AND id = ${conflict.id}`);
}

async function resolveLocked(
  tx: Transaction,
  registry: Registry,
  writer: Writer,
  request: ResolveRequest,
): Promise<Settled | AppError> {
  const counter = await lockCounter(tx, writer.userId);
  const conflict = await lockConflict(tx, writer.userId, request.conflictId);
  if (!conflict) throw notFound("Conflict");
  const { syncVersion } = await readProgress(tx, writer);
  if (conflict.status === "resolved") return { ...repeatOf(conflict, request), syncVersion };
  const entity = registry.find(({ kind }) => kind === conflict.kind) as Entity;
  const stored = await readOne(tx, entity, writer.userId, conflict.entityId, counter);
  const moved = await requireUnmoved(tx, registry, writer.userId, conflict, stored);
  if (moved) return moved;
  const keepsRemote = request.resolution === "KEEP_REMOTE";
  const serverVersion = keepsRemote
    ? (stored?.serverVersion ?? counter.current)
    : await writeChoice(tx, registry, counter, writer, chosenChange(entity, conflict, request));
  const answer: Settled = {
    success: true,
    syncVersion,
    acceptedEntity: { id: conflict.entityId, serverVersion, syncTimestamp: new Date().toISOString() },
  };
  await record(tx, writer.userId, conflict, request, answer);
  return answer;
}

/**
 * Settles a conflict as a person decided. KEEP_REMOTE writes nothing, and the device that met the conflict is owed
 * the remote side.
 * @throws 404 for a conflict that this account does not have, 409 when the entity has moved since (with the conflict
 *   as it is now) or the conflict was settled another way, 400 for a merge that does not fit.
 */
export async function resolveConflict(
  accounts: AccountQueue,
  registry: Registry,
  writer: Writer,
  request: ResolveRequest,
): Promise<Settled> {
  // What is refreshed for a refusal has to be committed, so the refusal is returned and thrown here.
  const result = await accounts.transaction(writer.userId, (tx) =>
    resolveLocked(tx, registry, writer, request),
  );
  if (result instanceof AppError) throw result;
  return result;
}

import { z } from "zod";
import { envelopeSchema } from "../../sync/change.ts";
import type { Side } from "../../sync/conflicts.ts";
import type { Content, Entity, Registry } from "../../sync/entity.ts";
import { entityId } from "../../sync/schemas.ts";
import { requireId } from "./account-shelves.ts";
import type { Value } from "./copy-text.ts";
import { contentOf, readGroupStamps } from "./entity-shelves.ts";
import { deviceInstant, fitting, given, givenOrNull, moment, momentOrNull, Unfit } from "./plain-values.ts";
import { idType, type Shelf } from "./shelf.ts";

const resolution = z.enum(["KEEP_LOCAL", "KEEP_REMOTE", "MERGE", "MANUAL"]);

/** Words that the sync of conflicts goes by. */
const words = z.object({
  type: z.enum(["CONCURRENT_MODIFICATION", "DELETION_CONFLICT", "VERSION_MISMATCH"]),
  suggestion: resolution,
  resolution: resolution.nullable(),
});

/** What a repeated resolution is told. */
const detail = z
  .strictObject({
    digest: z.string().regex(/^[0-9a-f]{64}$/),
    answer: z.strictObject({
      success: z.literal(true),
      syncVersion: z.int().min(0),
      acceptedEntity: z.strictObject({
        id: entityId,
        serverVersion: z.int().min(0),
        syncTimestamp: z.iso.datetime(),
      }),
    }),
  })
  .nullable();

const linkValue = z.union([entityId, z.array(entityId)]).nullish();

/** What the server shows with an entity, and never keeps: it would be a link to anywhere. */
function requireNothingDerived(entity: Entity, content: Content): void {
  const { shape } = entity.schema;
  for (const [key, value] of Object.entries(content)) {
    if (Object.hasOwn(shape, key) || entity.internal?.includes(key)) continue;
    if (!Object.hasOwn(entity.fields, key) || value !== null) throw new Unfit(`${key}: is not known`);
  }
}

/** A side may be written as it is, when somebody decides for it: it has to be what a phone might have sent. */
function sideContent(entity: Entity, content: Content, encrypted: boolean): Content {
  if (encrypted) return fitting(z.strictObject(envelopeSchema.shape), content);
  requireNothingDerived(entity, content);
  for (const key of Object.keys(entity.linkKeys ?? {})) fitting(linkValue, content[key], key);
  const stamps = entity.internal?.includes("groupStamps") && "groupStamps" in content;
  if (stamps) readGroupStamps(entity, content.groupStamps);
  const links = Object.keys(entity.linkKeys ?? {}).map((key) => [key, content[key] ?? null] as const);
  return { ...content, ...contentOf(entity, content), ...Object.fromEntries(links) };
}

function readSide(entity: Entity, side: Side, name: string): Side {
  const lastModified = deviceInstant(side.lastModified, `${name}.lastModified`);
  if (side.content === null) return { ...side, lastModified };
  if (side.deleted) throw new Unfit(`${name}.content: is there, though the side is deleted`);
  try {
    return { ...side, lastModified, content: sideContent(entity, side.content, side.encrypted) };
  } catch (error) {
    throw error instanceof Unfit ? new Unfit(`${name}.content.${error.message}`) : error;
  }
}

interface ConflictEntry {
  readonly id: string;
  readonly deviceId: string;
  readonly kind: string;
  readonly entityId: string;
  readonly local: Side;
  readonly remote: Side;
  readonly remoteVersion: number;
  readonly reportedVersion: number | null;
  readonly status: string;
  readonly resolutionDetail: unknown;
  readonly owed: boolean;
  readonly owedVersion: number | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly resolvedAt: string | null;
}

const columns = [
  ["id", "uuid"],
  ["device_id", "uuid"],
  ["kind", "text"],
  ["entity_id", idType],
  ["conflict_type", "text"],
  ["suggestion", "text"],
  ["local_side", "jsonb"],
  ["remote_side", "jsonb"],
  ["remote_version", "bigint"],
  ["reported_version", "bigint"],
  ["status", "text"],
  ["resolution", "text"],
  ["resolution_detail", "jsonb"],
  ["owed", "boolean"],
  ["owed_version", "bigint"],
  ["created_at", "timestamptz"],
  ["updated_at", "timestamptz"],
  ["resolved_at", "timestamptz"],
] as const;

function readConflict(registry: Registry, row: Content): Value[] {
  const entry = row as unknown as ConflictEntry;
  const said = fitting(words, row);
  const entity = requireId(registry, entry.kind, entry.entityId);
  return [
    entry.id,
    entry.deviceId,
    entry.kind,
    entry.entityId,
    said.type,
    said.suggestion,
    readSide(entity, entry.local, "local"),
    readSide(entity, entry.remote, "remote"),
    given(entry.remoteVersion, "remoteVersion", 0),
    givenOrNull(entry.reportedVersion, "reportedVersion"),
    entry.status,
    said.resolution,
    fitting(detail, entry.resolutionDetail, "resolutionDetail"),
    entry.owed,
    givenOrNull(entry.owedVersion, "owedVersion"),
    moment(entry.createdAt, "createdAt"),
    moment(entry.updatedAt, "updatedAt"),
    momentOrNull(entry.resolvedAt, "resolvedAt"),
  ];
}

export const conflictShelf = (registry: Registry): Shelf => ({
  table: "import_conflicts",
  columns,
  read: (row) => readConflict(registry, row),
});

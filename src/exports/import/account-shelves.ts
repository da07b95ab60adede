import { deviceInfo } from "../../accounts/devices.ts";
import { envelopeSchema } from "../../sync/change.ts";
import type { Content, Entity, Kind, Registry } from "../../sync/entity.ts";
import { fitting, given, givenOrNull, moment, momentOrNull, Unfit } from "./plain-values.ts";
import { idType, readStamps, type Shelf, stampColumns } from "./shelf.ts";

type Row = Record<string, string | number | boolean | null>;

/** @throws Unfit when a kind of one entity an account has another id */
export function requireId(registry: Registry, kind: unknown, id: unknown): Entity {
  const entity = registry.find((one) => one.kind === kind) as Entity;
  if (entity.fixedId !== undefined && id !== entity.fixedId) throw new Unfit(`id: must be ${entity.fixedId}`);
  return entity;
}

/** Phones of the account. They sign in anew; how far each has come stays true, as ids and versions stay. */
export const deviceShelf: Shelf = {
  table: "import_devices",
  columns: [
    ["device_id", "uuid"],
    ["device_name", "text"],
    ["platform", "text"],
    ["os_version", "text"],
    ["app_version", "text"],
    ["registered_at", "timestamptz"],
    ["last_sync_at", "timestamptz"],
    ["sync_version", "bigint"],
    ["void_cursor", "bigint"],
    ["clear_since", "bigint"],
    ["return_answer", "bigint"],
  ],
  read(content) {
    const info = fitting(deviceInfo, content);
    const row = content as Row;
    return [
      info.deviceId,
      info.deviceName,
      info.platform,
      info.osVersion,
      info.appVersion,
      moment(row.registeredAt as string, "registeredAt"),
      momentOrNull(row.lastSyncAt as string | null, "lastSyncAt"),
      given(row.syncVersion as number, "syncVersion", 0),
      // From another life of the server, and so as large as whoever brought it liked.
      row.voidCursor as number | null,
      givenOrNull(row.clearSince as number | null, "clearSince"),
      givenOrNull(row.returnAnswer as number | null, "returnAnswer"),
    ];
  },
};

export const memberShelf: Shelf = {
  table: "import_members",
  columns: [
    ["trip_id", idType],
    ["member_kind", "text"],
    ["member_id", idType],
    ["version", "bigint"],
    ["removed", "boolean"],
  ],
  read(content) {
    const { tripId, memberKind, memberId, version, removed } = content as Row;
    return [
      tripId ?? null,
      memberKind ?? null,
      memberId ?? null,
      given(version as number, "version", 0),
      removed ?? null,
    ];
  },
};

export const envelopeShelf = (registry: Registry): Shelf => ({
  table: "import_encrypted",
  columns: [
    ["kind", "text"],
    ["id", idType],
    ...stampColumns,
    ["encrypted_data", "text"],
    ["encryption_version", "integer"],
  ],
  read(row) {
    const { encryptedData, encryptionVersion } = fitting(envelopeSchema, row);
    requireId(registry, row.kind, row.id);
    return [row.kind as Kind, row.id as string, ...readStamps(row), encryptedData, encryptionVersion];
  },
});

/** Which links a tombstone may tell of: those that its kind keeps. */
function requireKeptOnly(
  { keptOnDeletion = [] }: Entity,
  { encrypted, photoId, placeVisitId }: Content,
): void {
  const tells = photoId !== null || placeVisitId !== null;
  if (tells && (encrypted || keptOnDeletion.length === 0))
    throw new Unfit("photoId, placeVisitId: only a deleted attachment in clear has these");
}

export const tombstoneShelf = (registry: Registry): Shelf => ({
  table: "import_deleted",
  columns: [
    ["kind", "text"],
    ["id", idType],
    ...stampColumns,
    ["encrypted", "boolean"],
    ["photo_id", idType],
    ["place_visit_id", idType],
    ["deleted_at", "timestamptz"],
  ],
  read(row) {
    const { kind, id, encrypted, photoId, placeVisitId, deletedAt } = row as Row;
    requireKeptOnly(requireId(registry, kind, id), row);
    if (kind === "locations" && !encrypted && row.deviceId === null)
      throw new Unfit("deviceId: is missing, and every point has one");
    return [
      kind ?? null,
      id ?? null,
      ...readStamps(row),
      encrypted ?? null,
      photoId ?? null,
      placeVisitId ?? null,
      moment(deletedAt as string, "deletedAt"),
    ];
  },
});

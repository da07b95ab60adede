import type { Derived, Entity, FieldTree } from "../sync/entity.ts";
import { contentSql } from "../sync/wire-sql.ts";

/** Rows as an export has them: JSON that Postgres makes, with everything that it takes to have the same rows again. */

/** Any value but a time, as JSON. */
const value = (expression: string): Derived => ({ sql: `to_json(${expression})::text` });

/** A time of the server's own, in UTC, with all its microseconds. */
const moment = (expression: string): Derived => ({
  sql: `left(to_json(${expression} AT TIME ZONE 'UTC')::text, -1) || 'Z"'`,
});

/** Versions and times of a row `t` that syncs. Unlike the wire, it says when no device said `lastModified`. */
function stamps({ table }: Pick<Entity, "table">): FieldTree {
  return {
    serverVersion: table.serverVersion,
    editedVersion: table.editedVersion,
    localVersion: table.localVersion,
    lastModified: table.lastModified,
    deviceId: value("t.device_id"),
    createdAt: moment("t.created_at"),
    updatedAt: moment("t.updated_at"),
  };
}

/** The bytes behind a photo. `key` is for this server alone. */
const photoFile: Derived = {
  sql: `(SELECT ${contentSql({
    fields: {
      key: value("o.key"),
      sha256: value("encode(o.sha256, 'hex')"),
      size: value("o.size"),
      mediaType: value("o.media_type"),
      said: value("f.said"),
      facts: value("o.facts"),
      previewProblem: value("o.preview_problem"),
      attachedAt: moment("f.attached_at"),
      storedAt: moment("o.stored_at"),
    },
  })} FROM photo_files f JOIN stored_objects o ON o.user_id = f.user_id AND o.sha256 = f.sha256
    WHERE f.user_id = t.user_id AND f.photo_id = t.id)`,
};

/** What an entity says, without links that are good for minutes. */
const contentOf = ({ kind, fields }: Entity): FieldTree => {
  const { url: _url, thumbnailUrl: _thumbnailUrl, ...lasting } = fields;
  return kind === "photos" ? { ...lasting, file: photoFile } : fields;
};

/** SQL of an entity. */
export const entityJson = (entity: Entity): string =>
  contentSql({ fields: { id: entity.table.id, ...contentOf(entity), ...stamps(entity) } });

/** SQL of an envelope, from its own table. */
export const envelopeJson = (entity: Entity): string =>
  contentSql({
    fields: {
      kind: value("t.kind"),
      id: value("t.id"),
      encryptedData: value("t.encrypted_data"),
      encryptionVersion: value("t.encryption_version"),
      ...stamps(entity),
    },
  });

/** SQL of what is left of an entity that was deleted. */
export function tombstoneJson(entity: Entity, isEnvelope: boolean): string {
  const kept = (column: string) =>
    value(!isEnvelope && entity.keptOnDeletion?.includes(column) ? `t.${column}` : "NULL::text");
  return contentSql({
    fields: {
      kind: value(isEnvelope ? "t.kind" : `'${entity.kind}'::text`),
      id: value("t.id"),
      encrypted: value(`${isEnvelope}`),
      photoId: kept("photo_id"),
      placeVisitId: kept("place_visit_id"),
      deletedAt: moment("t.deleted_at"),
      ...stamps(entity),
    },
  });
}

/** SQL of a device. */
export const deviceJson = contentSql({
  fields: {
    deviceId: value("t.device_id"),
    deviceName: value("t.device_name"),
    platform: value("t.platform"),
    osVersion: value("t.os_version"),
    appVersion: value("t.app_version"),
    registeredAt: moment("t.registered_at"),
    lastSyncAt: moment("t.last_sync_at"),
    syncVersion: value("t.sync_version"),
    voidCursor: value("t.void_cursor"),
    clearSince: value("t.clear_since"),
    returnAnswer: value("t.return_answer"),
  },
});

/** SQL of a link between a trip and what belongs to it. */
export const tripMemberJson = contentSql({
  fields: {
    tripId: value("t.trip_id"),
    memberKind: value("t.member_kind"),
    memberId: value("t.member_id"),
    version: value("t.version"),
    removed: value("t.removed"),
  },
});

/** SQL of a conflict, both sides of it. */
export const conflictJson = contentSql({
  fields: {
    id: value("t.id"),
    deviceId: value("t.device_id"),
    kind: value("t.kind"),
    entityId: value("t.entity_id"),
    type: value("t.conflict_type"),
    suggestion: value("t.suggestion"),
    local: value("t.local_side"),
    remote: value("t.remote_side"),
    remoteVersion: value("t.remote_version"),
    reportedVersion: value("t.reported_version"),
    status: value("t.status"),
    resolution: value("t.resolution"),
    resolutionDetail: value("t.resolution_detail"),
    owed: value("t.owed"),
    owedVersion: value("t.owed_version"),
    createdAt: moment("t.created_at"),
    updatedAt: moment("t.updated_at"),
    resolvedAt: moment("t.resolved_at"),
  },
});

/** A table in a backup. */
export interface BackedUpTable {
  readonly name: string;
  /** Column that says whose a row is; null for what belongs to the server. */
  readonly owner: string | null;
  /** Which rows are backed up, where that is not all of them. The table is called `t`. */
  readonly only?: string;
}

/** Bytes count for as long as a photo that is not deleted shows them: those of others linger, and may be gone already. */
const shown = `SELECT FROM photos p WHERE p.user_id = f.user_id AND p.id = f.photo_id AND p.deleted_at IS NULL`;

/** All that a backup holds, parents first, so that they can be filled in this order. */
export const tables: readonly BackedUpTable[] = [
  { name: "users", owner: "id" },
  { name: "user_credentials", owner: "user_id" },
  { name: "devices", owner: "user_id" },
  { name: "refresh_tokens", owner: "user_id" },
  { name: "password_reset_tokens", owner: "user_id" },
  { name: "invites", owner: null },
  { name: "signing_keys", owner: null },
  { name: "server_secrets", owner: null },
  { name: "sync_versions", owner: "user_id" },
  { name: "location_samples", owner: "user_id" },
  { name: "place_visits", owner: "user_id" },
  { name: "trips", owner: "user_id" },
  { name: "trip_days", owner: "user_id" },
  { name: "photos", owner: "user_id" },
  { name: "photo_attachments", owner: "user_id" },
  { name: "settings", owner: "user_id" },
  { name: "encrypted_sync_data", owner: "user_id" },
  { name: "trip_members", owner: "user_id" },
  { name: "sync_conflicts", owner: "user_id" },
  {
    name: "stored_objects",
    owner: "user_id",
    only: `EXISTS (SELECT FROM photo_files f WHERE f.user_id = t.user_id AND f.sha256 = t.sha256 AND EXISTS (${shown}))`,
  },
  { name: "photo_files", owner: "user_id", only: `EXISTS (${shown.replaceAll("f.", "t.")})` },
  { name: "daily_statistics", owner: null },
];

/**
 * Tables that no backup holds: the schema's own, made by migrations; bytes, which are backed up as objects, wherever
 * they lie; what only means something to the storage that was used; and work under way, which a restore must not do a
 * second time.
 */
export const leftOut: readonly string[] = [
  "schema_migrations",
  "stored_blobs",
  "stored_chunks",
  "unreferenced_objects",
  "direct_uploads",
  "jobs",
  "exports",
];

/** All tables that are ours, as far as this program knows. */
export const ownTables: readonly string[] = [...tables.map(({ name }) => name), ...leftOut];

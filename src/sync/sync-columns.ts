import { type AnyPgColumn, bigint, type PgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";

/** A column of instants in milliseconds. */
export const instantColumn = (name: string) =>
  timestamp(name, { withTimezone: true, precision: 3, mode: "string" });
const serverTime = (name: string) => timestamp(name, { withTimezone: true, mode: "string" });

/** The columns that every synced table has; what each is for stands in the first migration. */
export const syncColumns = () => ({
  userId: uuid("user_id").notNull(),
  id: text("id").notNull(),
  deviceId: uuid("device_id"),
  serverVersion: bigint("server_version", { mode: "number" }).notNull(),
  editedVersion: bigint("edited_version", { mode: "number" }).notNull(),
  localVersion: bigint("local_version", { mode: "number" }),
  lastModified: instantColumn("last_modified"),
  createdAt: serverTime("created_at").notNull().defaultNow(),
  updatedAt: serverTime("updated_at").notNull().defaultNow(),
  deletedAt: serverTime("deleted_at"),
});

/** Any table with the sync columns. */
export type SyncedTable = PgTable & Record<keyof ReturnType<typeof syncColumns>, AnyPgColumn>;

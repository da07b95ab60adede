import { bigint, customType, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";

const bytes = customType<{ data: Uint8Array }>({ dataType: () => "bytea" });
const instant = (name: string) => timestamp(name, { withTimezone: true, mode: "string" });

export const users = pgTable("users", {
  id: uuid("id").primaryKey(),
  email: text("email").notNull(),
  displayName: text("display_name").notNull(),
  createdAt: instant("created_at").notNull().defaultNow(),
  updatedAt: instant("updated_at").notNull().defaultNow(),
  disabledAt: instant("disabled_at"),
});

export const userCredentials = pgTable("user_credentials", {
  userId: uuid("user_id").primaryKey(),
  passwordHash: text("password_hash").notNull(),
  /** When the password was last changed; hashing the same one anew leaves it alone. */
  updatedAt: instant("updated_at").notNull().defaultNow(),
});

export const devices = pgTable("devices", {
  userId: uuid("user_id").notNull(),
  deviceId: uuid("device_id").notNull(),
  deviceName: text("device_name").notNull(),
  platform: text("platform").notNull(),
  osVersion: text("os_version").notNull(),
  appVersion: text("app_version").notNull(),
  registeredAt: instant("registered_at").notNull().defaultNow(),
  sessionId: uuid("session_id"),
  syncVersion: bigint("sync_version", { mode: "number" }).notNull().default(0),
  lastSyncAt: instant("last_sync_at"),
});

export const refreshTokens = pgTable("refresh_tokens", {
  userId: uuid("user_id").notNull(),
  id: uuid("id").notNull(),
  deviceId: uuid("device_id").notNull(),
  sessionId: uuid("session_id").notNull(),
  parentId: uuid("parent_id"),
  tokenHash: bytes("token_hash").notNull(),
  createdAt: instant("created_at").notNull().defaultNow(),
  expiresAt: instant("expires_at").notNull(),
  usedAt: instant("used_at"),
  revokedAt: instant("revoked_at"),
});

export const passwordResetTokens = pgTable("password_reset_tokens", {
  userId: uuid("user_id").notNull(),
  id: uuid("id").notNull(),
  tokenHash: bytes("token_hash").notNull(),
  createdAt: instant("created_at").notNull().defaultNow(),
  expiresAt: instant("expires_at").notNull(),
  usedAt: instant("used_at"),
});

export const signingKeys = pgTable("signing_keys", {
  id: text("id").primaryKey(),
  secret: bytes("secret").notNull(),
  createdAt: instant("created_at").notNull().defaultNow(),
  retiredAt: instant("retired_at"),
});

export const invites = pgTable("invites", {
  id: uuid("id").primaryKey(),
  tokenHash: bytes("token_hash").notNull(),
  email: text("email"),
  createdAt: instant("created_at").notNull().defaultNow(),
  expiresAt: instant("expires_at").notNull(),
  usedAt: instant("used_at"),
  usedBy: uuid("used_by"),
});

/** The account's row here is made with the account; all else about it is the sync engine's. */
export const syncVersions = pgTable("sync_versions", {
  userId: uuid("user_id").primaryKey(),
  version: bigint("version", { mode: "number" }).notNull().default(0),
});

import type { Group } from "./env-file.ts";

/** What a new env file begins with. */
export const head = `# Settings of Trailglass, made by "trailglass setup". Change what you like: setup keeps what it was not asked about.
# "trailglass config show" lists all settings there are. After a change, restart the server.`;

/** The settings that setup writes, in the order of the file. */
export const groups: readonly Group[] = [
  { title: "Data", names: ["DATA_DIR"] },
  {
    title: "Database. Without DATABASE_URL: the embedded one, in DATA_DIR",
    names: [
      "DATABASE_URL",
      "DATABASE_PASSWORD",
      "DATABASE_HOST",
      "DATABASE_PORT",
      "DATABASE_NAME",
      "DATABASE_USER",
    ],
  },
  {
    title: "Photos: database, directory or s3",
    names: [
      "STORAGE_BACKEND",
      "STORAGE_ENDPOINT",
      "STORAGE_REGION",
      "STORAGE_BUCKET",
      "STORAGE_ACCESS_KEY",
      "STORAGE_SECRET_KEY",
    ],
  },
  {
    title: "Way in. Behind a proxy on this machine, APP_HOST is 127.0.0.1",
    names: ["APP_HOST", "APP_PORT", "PUBLIC_URL", "ALLOW_PLAIN_HTTP", "TLS_CERT_FILE", "TLS_KEY_FILE"],
  },
  {
    title: "Mail: forgotten passwords, invitations, warnings",
    names: [
      "EMAIL_ENABLED",
      "EMAIL_PROVIDER",
      "SMTP_HOST",
      "SMTP_PORT",
      "SMTP_USERNAME",
      "SMTP_PASSWORD",
      "SMTP_FROM_EMAIL",
      "SMTP_FROM_NAME",
    ],
  },
  {
    title: "Backups. Keep a copy of the passphrase away from this machine",
    names: [
      "BACKUP_SCHEDULE",
      "BACKUP_DIR",
      "BACKUP_KEEP_DAILY",
      "BACKUP_KEEP_WEEKLY",
      "BACKUP_KEEP_MONTHLY",
      "BACKUP_S3_ENDPOINT",
      "BACKUP_S3_REGION",
      "BACKUP_S3_BUCKET",
      "BACKUP_S3_ACCESS_KEY",
      "BACKUP_S3_SECRET_KEY",
      "BACKUP_RECIPIENT",
      "BACKUP_PASSPHRASE_FILE",
    ],
  },
  { title: "People: who may register, and the first signing key", names: ["REGISTRATION", "JWT_SECRET"] },
];

import { z } from "zod";
import { readProxyRanges } from "./proxy-ranges.ts";
import { rate } from "./rate.ts";
import { schedule } from "./schedule.ts";
import { duration, flag, optional, size, text, variable, whole, word } from "./variable.ts";

const httpUrl = z.url({ protocol: /^https?$/, error: "must be a URL such as https://trails.example.org" });

/** Names of machines, and addresses. What else URLs take for a host means something to the proxies that are told it. */
const hostName = /^([\w-]+(\.[\w-]+)*\.?|\[[\da-f:.]+\])$/i;

function isPlainAddress(text: string): boolean {
  const { hostname, search, hash } = new URL(text);
  return hostName.test(hostname) && search === "" && hash === "";
}

const publicAddress = httpUrl.refine((text) => !URL.canParse(text) || isPlainAddress(text), {
  error: "must be a plain address such as https://trails.example.org: no ? or #, no odd signs",
});

/** Whether every percent sign begins a character: others cannot be read as a user, a password or a name. */
function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

const databaseUrl = z
  .string()
  .transform((value) => value.replace(/^jdbc:/, ""))
  .pipe(
    z.url({
      protocol: /^postgres(ql)?$/,
      error: "must be a URL such as postgres://user:password@host:5432/name",
    }),
  )
  .refine(isDecodable, "has a percent sign that encodes nothing: write %25 for one in a password");

/** A public key of age, as `age-keygen` prints it. */
const ageRecipient = z
  .string()
  .regex(/^age1[a-z0-9]{20,4000}$/, { error: "must be a public key of age, such as age1..." });

/** Text for a header of a mail. */
const oneLine = z.string().regex(/^\P{Cc}+$/u, { error: "must be one line of text" });

const redisAddress = z.url({ protocol: /^rediss?$/, error: "must be a URL such as redis://localhost:6379" });

/** A team's host name, also when it is given as a URL. */
const teamDomain = z
  .string()
  .transform((value) =>
    value
      .replace(/^https:\/\//, "")
      .replace(/\/+$/, "")
      .toLowerCase(),
  )
  .pipe(
    z
      .string()
      .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+(:\d{1,5})?$/, "must be a host such as family.cloudflareaccess.com"),
  );

/** A path of plain characters. */
const urlPath = z.string().regex(/^(\/[A-Za-z0-9._~-]+)+$/, { error: "must be a path such as /metrics" });

/** The backends, under all the names that they go by. */
const storageBackend = word("database", "postgres", "s3", "minio", "directory").transform((name) =>
  name === "postgres" ? "database" : name === "minio" ? "s3" : name,
);

/** Every setting there is. The documentation table is made from this, and nothing else reads the environment. */
export const variables = {
  port: variable(["APP_PORT", "PORT"], whole(0, 65535), { fallback: "8080", doc: "Port to listen on." }),
  host: variable(["APP_HOST"], text, { fallback: "0.0.0.0", doc: "Address to listen on." }),
  environment: variable(["APP_ENVIRONMENT"], word("development", "staging", "production"), {
    fallback: "production",
    doc: "`development` only makes logs pretty; nothing about safety depends on it.",
  }),
  publicUrl: optional(["PUBLIC_URL"], publicAddress, {
    fallbackNote: "none: links lead to this machine only",
    doc: "What phones use. Links in mails and to pictures come from here, never from a request's `Host`.",
  }),
  allowPlainHttp: variable(["ALLOW_PLAIN_HTTP"], flag, {
    fallback: "false",
    doc: "`true` only for a LAN or development; else a request must be HTTPS itself or say so through a trusted proxy.",
  }),
  trustedProxies: variable(["TRUSTED_PROXIES"], readProxyRanges, {
    fallback: "loopback,private",
    doc: "From whom `X-Forwarded-*` is believed: addresses, CIDR ranges, `loopback`, `private`, `cloudflare`, or `none`; comma separated. `CF-Connecting-IP` counts only where a server of Cloudflare's was the last to call one of these.",
  }),
  tlsCertFile: optional(["TLS_CERT_FILE"], text, {
    doc: "Certificate chain (PEM), to serve HTTPS without a proxy.",
  }),
  tlsKeyFile: optional(["TLS_KEY_FILE"], text, { doc: "Private key (PEM) of that certificate." }),
  dataDir: optional(["DATA_DIR"], text, {
    fallbackNote: "/var/lib/trailglass where it exists, else ./data",
    doc: "Folder of the embedded database and of pictures that are stored as files.",
  }),
  databaseUrl: optional(["DATABASE_URL"], databaseUrl, {
    fallbackNote: "none: the embedded database",
    secret: true,
    doc: "A Postgres 15 or later of your own, `postgres://...`; the `jdbc:postgresql://...` form works, too.",
  }),
  databaseHost: optional(["DATABASE_HOST"], text, {
    doc: "The same in parts, when `DATABASE_URL` is not set.",
  }),
  databasePort: variable(["DATABASE_PORT"], whole(1, 65535), {
    fallback: "5432",
    doc: "Port of `DATABASE_HOST`.",
  }),
  databaseName: variable(["DATABASE_NAME"], text, {
    fallback: "trailglass",
    doc: "Database at `DATABASE_HOST`.",
  }),
  databaseUser: variable(["DATABASE_USER"], text, {
    fallback: "trailglass",
    doc: "User at `DATABASE_HOST`, and of a `DATABASE_URL` that names none.",
  }),
  databasePassword: optional(["DATABASE_PASSWORD"], text, {
    secret: true,
    doc: "Password, where `DATABASE_URL` has none.",
  }),
  databaseSslMode: optional(["DATABASE_SSL_MODE"], word("disable", "prefer", "require"), {
    fallbackNote: "what the URL says, else prefer",
    doc: "`disable`, `prefer` or `require` TLS to the database.",
  }),
  databaseMaxPoolSize: variable(["DATABASE_MAX_POOL_SIZE"], whole(2, 100), {
    fallback: "5",
    doc: "Connections to the database at most.",
  }),
  autoMigrate: variable(["AUTO_MIGRATE", "FLYWAY_AUTO_MIGRATE"], flag, {
    fallback: "true",
    doc: "`false`: `serve` refuses to start on an old schema and names `trailglass migrate`.",
  }),
  jwtSecret: optional(["JWT_SECRET"], z.string().min(32, { error: "must have at least 32 characters" }), {
    fallbackNote: "made at the first start",
    secret: true,
    doc: "First signing key of access tokens; kept in the database from then on, until `trailglass rotate-keys`. A new value takes over as in a rotation; a former one does not come back.",
  }),
  jwtIssuer: variable(["JWT_ISSUER"], text, { fallback: "trailglass", doc: "`iss` of access tokens." }),
  jwtAudience: variable(["JWT_AUDIENCE"], text, {
    fallback: "trailglass-clients",
    doc: "`aud` of access tokens.",
  }),
  accessTokenSeconds: variable(["ACCESS_TOKEN_TTL"], duration, {
    fallback: "15m",
    doc: "Life of an access token.",
  }),
  refreshTokenSeconds: variable(["REFRESH_TOKEN_TTL"], duration, {
    fallback: "30d",
    doc: "Life of a refresh token.",
  }),
  registration: variable(["REGISTRATION"], word("open", "invite", "closed"), {
    fallback: "closed",
    doc: "Who may register: anyone, holders of an invite, or nobody. The first account ever is always allowed.",
  }),
  storageBackend: variable(["STORAGE_BACKEND", "STORAGE_DRIVER"], storageBackend, {
    fallback: "database",
    doc: "Where pictures lie: `database` (or `postgres`), `s3` (or `minio`), or `directory`, a folder in `DATA_DIR`.",
  }),
  storageBucket: variable(["STORAGE_BUCKET", "MINIO_BUCKET"], text, {
    fallback: "trailglass",
    doc: "Bucket in S3.",
  }),
  storageRegion: variable(["STORAGE_REGION"], text, { fallback: "us-east-1", doc: "Region of the bucket." }),
  storageEndpoint: optional(["STORAGE_ENDPOINT", "MINIO_ENDPOINT"], httpUrl, {
    fallbackNote: "Amazon's own",
    doc: "Address of the S3 server, as this server reaches it.",
  }),
  storageAccessKey: optional(["STORAGE_ACCESS_KEY", "MINIO_ACCESS_KEY"], text, {
    doc: "Access key of the bucket.",
  }),
  storageSecretKey: optional(["STORAGE_SECRET_KEY", "MINIO_SECRET_KEY"], text, {
    secret: true,
    doc: "Secret key of the bucket.",
  }),
  storagePathStyle: variable(["STORAGE_PATH_STYLE"], flag, {
    fallback: "true",
    doc: "The bucket's name in the path, as MinIO and its like have it; `false`: in the host name.",
  }),
  storagePublicEndpoint: optional(["STORAGE_PUBLIC_ENDPOINT"], httpUrl, {
    fallbackNote: "none: this server hands the bytes through",
    doc: "Address of the S3 server as phones reach it. When set, they are given S3's own signed URLs.",
  }),
  maxPhotoBytes: variable(["MAX_PHOTO_SIZE"], size, {
    fallback: "50MB",
    doc: "Largest picture that is taken. Cloudflare's tunnel lets no more than 100 MB through.",
  }),
  emailEnabled: variable(["EMAIL_ENABLED"], flag, {
    fallback: "false",
    doc: "`true` sends mail; else what would be sent stands in the log, for the administrator to pass on.",
  }),
  emailProvider: variable(["EMAIL_PROVIDER"], word("console", "smtp", "sendgrid", "ses"), {
    fallback: "console",
    doc: "`smtp` sends through `SMTP_HOST`; `sendgrid` and `ses` are the same with their servers; `console` writes to the log.",
  }),
  smtpHost: optional(["SMTP_HOST"], text, {
    fallbackNote: "none; sendgrid: smtp.sendgrid.net",
    doc: "Mail server. Amazon's is `email-smtp.REGION.amazonaws.com`.",
  }),
  smtpPort: variable(["SMTP_PORT"], whole(1, 65535), {
    fallback: "587",
    doc: "Its port. On 465 everything is encrypted from the first byte, on others by STARTTLS.",
  }),
  smtpUsername: optional(["SMTP_USERNAME"], text, {
    fallbackNote: "none; sendgrid: apikey",
    doc: "Whom to sign in to the mail server as.",
  }),
  smtpPassword: optional(["SMTP_PASSWORD"], text, {
    secret: true,
    doc: "Password of that user, or the provider's API key.",
  }),
  smtpFromEmail: optional(["SMTP_FROM_EMAIL"], z.email({ error: "must be an email address" }), {
    doc: "Address that mails come from.",
  }),
  smtpFromName: variable(["SMTP_FROM_NAME"], oneLine, {
    fallback: "Trailglass",
    doc: "Name beside that address.",
  }),
  smtpTlsEnabled: variable(["SMTP_TLS_ENABLED"], flag, {
    fallback: "true",
    doc: "`false` sends mails and the password in clear: for a mail server on the same machine only.",
  }),
  adminEmail: optional(["ADMIN_EMAIL"], z.email({ error: "must be an email address" }), {
    fallbackNote: "the oldest account's",
    doc: "Who is told by mail when a backup fails or the disk is nearly full.",
  }),
  globalRateLimitPerMinute: variable(["GLOBAL_RATE_LIMIT_PER_MINUTE"], whole(0, 1_000_000), {
    fallback: "120",
    doc: "Requests of one client address a minute, of all kinds together; `0` is no limit. Signed links to pictures are counted apart, up to ten times as many.",
  }),
  rateLimitAuth: variable(["RATE_LIMIT_AUTH"], rate, {
    fallback: "5/1m",
    doc: "Calls of `/auth/*` by one client address: requests and a window of at most a day, such as `5/1m`; `0` is no limit, and no brake on guessing one account's password.",
  }),
  rateLimitSync: variable(["RATE_LIMIT_SYNC"], rate, {
    fallback: "10/1m",
    doc: "Calls of `/sync/*` by one account.",
  }),
  rateLimitLocationBatch: variable(["RATE_LIMIT_LOCATION_BATCH"], rate, {
    fallback: "100/5m",
    doc: "Calls of `/locations/batch` by one account. The window is short, so that a phone which brings a whole holiday waits for minutes at most.",
  }),
  rateLimitPhotoUpload: variable(["RATE_LIMIT_PHOTO_UPLOAD"], rate, {
    fallback: "100/5m",
    doc: "Uploads of pictures by one account, planned ones included. The window is short for the same reason.",
  }),
  rateLimitDefault: variable(["RATE_LIMIT_DEFAULT"], rate, {
    fallback: "100/1m",
    doc: "All other calls of one account, or of one client address that is not signed in.",
  }),
  redisUrl: optional(["REDIS_URL"], redisAddress, {
    fallbackNote: "none: counted in memory",
    secret: true,
    doc: "A Redis in which several servers count requests together. When it is away, each counts for itself.",
  }),
  metricsEnabled: variable(["METRICS_ENABLED", "ENABLE_METRICS"], flag, {
    fallback: "false",
    doc: "`true` answers Prometheus. Without one of the guards below, to callers on the same machine only.",
  }),
  metricsPath: variable(["METRICS_PATH"], urlPath, { fallback: "/metrics", doc: "Where." }),
  metricsToken: optional(
    ["METRICS_TOKEN"],
    z.string().min(16, { error: "must have at least 16 characters" }),
    { secret: true, doc: "Whoever sends this as `Authorization: Bearer ...` may read the metrics." },
  ),
  cloudflareAccessTeamDomain: optional(["CLOUDFLARE_ACCESS_TEAM_DOMAIN"], teamDomain, {
    doc: "Team of Cloudflare Access, such as `family.cloudflareaccess.com`. When set, metrics and the API's documentation are shown only to whom Access has let in.",
  }),
  cloudflareAccessAud: optional(["CLOUDFLARE_ACCESS_AUD"], text, {
    doc: "Audience tag of the application in Cloudflare Access.",
  }),
  cloudflareAccessClientId: optional(["CLOUDFLARE_ACCESS_CLIENT_ID"], text, {
    doc: "Service token that may read the metrics: its `CF-Access-Client-Id`.",
  }),
  cloudflareAccessClientSecret: optional(["CLOUDFLARE_ACCESS_CLIENT_SECRET"], text, {
    secret: true,
    doc: "The `CF-Access-Client-Secret` that belongs to it.",
  }),
  backupSchedule: variable(["BACKUP_SCHEDULE"], schedule, {
    fallback: "03:30 daily",
    doc: "When `serve` makes a backup by itself: a time of day such as `03:30`, a cron pattern such as `30 3 * * 1-5`, or `off`. In the machine's time zone.",
  }),
  backupDir: optional(["BACKUP_DIR"], text, {
    fallbackNote: "`backups` in DATA_DIR",
    doc: "Folder of the backups. Best on another disk than the data.",
  }),
  backupKeepDaily: variable(["BACKUP_KEEP_DAILY"], whole(1, 3650), {
    fallback: "7",
    doc: "Days of which the last backup is kept.",
  }),
  backupKeepWeekly: variable(["BACKUP_KEEP_WEEKLY"], whole(0, 1000), {
    fallback: "4",
    doc: "Weeks of which the last backup is kept.",
  }),
  backupKeepMonthly: variable(["BACKUP_KEEP_MONTHLY"], whole(0, 1000), {
    fallback: "6",
    doc: "Months of which the last backup is kept.",
  }),
  backupPassphrase: optional(
    ["BACKUP_PASSPHRASE"],
    z.string().min(8, { error: "must have at least 8 characters" }),
    {
      secret: true,
      fallbackNote: "none: backups are in clear",
      doc: "Encrypts backups (age format). Best given as `BACKUP_PASSPHRASE_FILE`; keep a copy away from this machine, or nothing can be restored.",
    },
  ),
  backupRecipient: optional(["BACKUP_RECIPIENT"], ageRecipient, {
    doc: "The same with a public key of age (`age1...`): this machine can then make backups, but not read them.",
  }),
  backupS3Bucket: optional(["BACKUP_S3_BUCKET"], text, {
    fallbackNote: "none: no second copy",
    doc: "Bucket to which every backup is copied.",
  }),
  backupS3Prefix: variable(["BACKUP_S3_PREFIX"], text, {
    fallback: "trailglass",
    doc: "Folder in that bucket.",
  }),
  backupS3Region: variable(["BACKUP_S3_REGION"], text, {
    fallback: "us-east-1",
    doc: "Region of that bucket.",
  }),
  backupS3Endpoint: optional(["BACKUP_S3_ENDPOINT"], httpUrl, {
    fallbackNote: "Amazon's own",
    doc: "Address of the S3 server that has it.",
  }),
  backupS3AccessKey: optional(["BACKUP_S3_ACCESS_KEY"], text, { doc: "Access key of that bucket." }),
  backupS3SecretKey: optional(["BACKUP_S3_SECRET_KEY"], text, {
    secret: true,
    doc: "Secret key of that bucket.",
  }),
  backupS3PathStyle: variable(["BACKUP_S3_PATH_STYLE"], flag, {
    fallback: "true",
    doc: "As `STORAGE_PATH_STYLE`, for that bucket.",
  }),
  logLevel: variable(["LOG_LEVEL"], word("trace", "debug", "info", "warn", "error", "fatal", "silent"), {
    fallback: "info",
    doc: "How much to log.",
  }),
  logFormat: optional(["LOG_FORMAT"], word("json", "pretty"), {
    fallbackNote: "json; pretty on a terminal",
    doc: "One JSON object a line, or lines for people.",
  }),
};

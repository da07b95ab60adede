import { migrations } from "../migrations/index.ts";
import { Access } from "./access/access.ts";
import type { AccessNetwork } from "./access/team-keys.ts";
import { Accounts } from "./accounts/accounts.ts";
import { KeyNews } from "./accounts/key-news.ts";
import { KeyRing } from "./accounts/key-ring.ts";
import { AccountMailDesk } from "./accounts/mail-desk.ts";
import { argon2Hasher, type PasswordHasher } from "./accounts/password-hasher.ts";
import { PasswordReset } from "./accounts/password-reset.ts";
import { Passwords } from "./accounts/passwords.ts";
import { Registration } from "./accounts/registration.ts";
import { Sessions } from "./accounts/sessions.ts";
import { loadSigningKeys } from "./accounts/signing-keys.ts";
import { backupDir } from "./backup/places.ts";
import { BackupWatch } from "./backup/watch.ts";
import type { Config } from "./config/config.ts";
import type { Database, DatabaseClient } from "./database/client.ts";
import { migrate, requireCurrentSchema } from "./database/migrator.ts";
import { openDatabase } from "./database/open.ts";
import { createMailer } from "./email/mailer.ts";
import type { Mailer } from "./email/outgoing-mail.ts";
import { Exports } from "./exports/exports.ts";
import type { BackupLookout, HealthReporter } from "./health/health.ts";
import { PublicAddress } from "./http/public-address.ts";
import { RequestStates } from "./http/request-state.ts";
import type { JobKind } from "./jobs/job.ts";
import { JobWorker } from "./jobs/worker.ts";
import { createRegistry } from "./journal/registry.ts";
import { createResources, type Resources } from "./journal/resources.ts";
import { StatisticsReader } from "./journal/statistics.ts";
import { Limits } from "./limits/limits.ts";
import { createLog, type Log } from "./log.ts";
import type { Metrics } from "./metrics/metrics.ts";
import { createHealth, createMetrics, feedMetrics } from "./observation.ts";
import { createPhotos, type Photos } from "./photos/photos.ts";
import { PictureLinks } from "./photos/picture-links.ts";
import { presentPhoto } from "./photos/shown-photo.ts";
import type { Sweeper } from "./photos/sweeper.ts";
import { observeStorage } from "./storage/observed-storage.ts";
import { openStorage } from "./storage/open-storage.ts";
import { limitsSecret, linksSecret, loadSecret } from "./storage/server-secret.ts";
import { SignedUrls } from "./storage/signed-urls.ts";
import type { ObjectStorage } from "./storage/storage.ts";
import { AccountQueue } from "./sync/account-queue.ts";
import type { Registry } from "./sync/entity.ts";
import { createWork } from "./work.ts";

/** Everything that the features are made of, built once. */
export interface Context extends Photos {
  readonly config: Config;
  readonly log: Log;
  readonly db: Database;
  readonly requests: RequestStates;
  readonly limits: Limits;
  readonly sessions: Sessions;
  readonly registration: Registration;
  readonly accounts: Accounts;
  readonly passwordReset: PasswordReset;
  /** All kinds of entities. */
  readonly registry: Registry;
  readonly accountQueue: AccountQueue;
  readonly resources: Resources;
  readonly statistics: StatisticsReader;
  /** What links start with. */
  readonly address: PublicAddress;
  readonly storage: ObjectStorage;
  readonly signedUrls: SignedUrls;
  readonly exports: Exports;
  /** How it stands with the backups. */
  readonly backups: BackupLookout;
  /** How it stands with everything. */
  readonly health: HealthReporter;
  /** Who may see metrics and the description of the API. */
  readonly access: Access;
  /** What Prometheus is told; null unless it is switched on. */
  readonly metrics: Metrics | null;
  /** Told of every request that was answered. */
  readonly onAnswered: Metrics["onAnswered"] | undefined;
  /** All that is done outside of requests. */
  readonly work: readonly JobKind[];
  /** Does it, once it is told to start. */
  readonly worker: JobWorker;
  /** Lets go of everything, the last built first. */
  dispose(): Promise<void>;
}

/** What a caller may bring instead of what would be built. */
export interface Overrides {
  readonly log?: Log;
  /** An open pool; whoever brings it closes it. */
  readonly database?: DatabaseClient;
  /** What the schema needs before the features start: `none` leaves it alone. */
  readonly schema?: "migrate" | "require" | "none";
  readonly databaseWaitSeconds?: number;
  readonly onFatal?: (error: Error) => void;
  /** A running server's embedded database may be used. */
  readonly joinsRunning?: boolean;
  /** Changed keys are learnt of as soon as they change; else within a minute. */
  readonly listens?: boolean;
  readonly hasher?: PasswordHasher;
  readonly mailer?: Mailer;
  /** An open storage; whoever brings it closes it. */
  readonly storage?: ObjectStorage;
  /** Where Cloudflare Access is, when not where it says itself. */
  readonly accessNetwork?: AccessNetwork;
}

function failLoudly(error: Error): never {
  throw error;
}

async function prepareSchema(db: Database, log: Log, wanted: "migrate" | "require" | "none"): Promise<void> {
  if (wanted === "require") await requireCurrentSchema(db, migrations);
  if (wanted !== "migrate") return;
  for (const { number, name } of await migrate(db, migrations))
    log.info({ number, name }, "migrated the schema");
}

/** Everything about people and their devices. */
function createAccounts(config: Config, db: Database, log: Log, overrides: Overrides, sweeper: Sweeper) {
  const {
    jwtSecret,
    jwtIssuer: issuer,
    jwtAudience: audience,
    accessTokenSeconds,
    refreshTokenSeconds,
  } = config;
  const passwords = new Passwords(overrides.hasher ?? argon2Hasher);
  const keys = new KeyRing({
    issuer,
    audience,
    load: () => loadSigningKeys(db, { jwtSecret, accessTokenSeconds }),
  });
  const sessions = new Sessions({ db, log, keys, accessTokenSeconds, refreshTokenSeconds });
  return {
    keys,
    sessions,
    registration: new Registration({ db, passwords, sessions, policy: config.registration }),
    accounts: new Accounts({ db, passwords, sessions, erased: () => sweeper.afterErasure() }),
    passwordReset: new PasswordReset({ db, log, passwords }),
  };
}

/** Where pictures lie, and the links to them. */
async function createStorage(config: Config, db: Database, metrics: Metrics | null, overrides: Overrides) {
  const opened = overrides.storage ?? (await openStorage(config, db));
  const storage = metrics ? observeStorage(opened, metrics.storageFailed) : opened;
  const address = new PublicAddress(config.publicUrl);
  // Whoever leaves the schema alone may meet one without secrets, and hands out no links.
  const secret =
    overrides.schema === "none"
      ? crypto.getRandomValues(new Uint8Array(32))
      : await loadSecret(db, linksSecret);
  const signedUrls = new SignedUrls({ secret, address });
  return { storage, address, signedUrls };
}

/** Learns of keys and secrets that were changed, as soon as they are. */
function hearOfKeys(parts: {
  database: DatabaseClient;
  log: Log;
  keys: KeyRing;
  signedUrls: SignedUrls;
}): KeyNews {
  const { database, log, keys, signedUrls } = parts;
  const renewLinks = async () => signedUrls.useSecret(await loadSecret(database.db, linksSecret));
  const learn = async () => {
    await Promise.all([keys.refresh(), renewLinks()]);
  };
  const news = new KeyNews({ database, log, learn });
  news.start();
  return news;
}

/**
 * The composition root: builds every dependency once, in the order in which they need each other.
 * @throws what opening the database or bringing its schema up to date throws; nothing is left open then.
 */
export async function createContext(config: Config, overrides: Overrides = {}): Promise<Context> {
  const log = overrides.log ?? createLog({ level: config.logLevel, format: config.logFormat ?? "json" });
  await using open = new AsyncDisposableStack();
  const database =
    overrides.database ??
    (await openDatabase(config, log, {
      waitSeconds: overrides.databaseWaitSeconds ?? 30,
      onFatal: overrides.onFatal ?? failLoudly,
      joinsRunning: overrides.joinsRunning ?? false,
    }));
  if (!overrides.database) open.defer(() => database.close());
  const { db } = database;
  await prepareSchema(db, log, overrides.schema ?? (config.autoMigrate ? "migrate" : "require"));
  const metrics = await createMetrics(config);
  open.defer(() => metrics?.stop());
  const { storage, address, signedUrls } = await createStorage(config, db, metrics, overrides);
  if (!overrides.storage) open.defer(() => storage.close());
  const links = new PictureLinks(storage, signedUrls);
  const registry = createRegistry((photo) => presentPhoto(links, photo));
  const accountQueue = new AccountQueue(db, metrics?.sync);
  const parts = { config, log, db, storage, signedUrls, links, accountQueue, registry };
  const photos = createPhotos(parts);
  open.defer(() => photos.previews.settle());
  const people = createAccounts(config, db, log, overrides, photos.sweeper);
  open.defer(() => people.passwordReset.settle());
  const limits = new Limits({ config, log, secret: () => loadSecret(db, limitsSecret) });
  open.defer(() => limits.close());
  if (overrides.listens) {
    const news = hearOfKeys({ database, log, signedUrls, keys: people.keys });
    open.defer(() => news.stop());
  }
  const backups = new BackupWatch(backupDir(config));
  const health = createHealth({ ...parts, backups });
  if (metrics) feedMetrics(metrics, health, { ...parts, backups });
  const mailer = overrides.mailer ?? createMailer(config, log);
  const desk = new AccountMailDesk(db, config.adminEmail);
  const work = createWork({ ...parts, ...photos, backups, mailer, desk });
  const listened = overrides.listens ? database : undefined;
  const worker = new JobWorker({ db, log, kinds: work, database: listened, onEnd: metrics?.jobEnded });
  // The first to go: what it does needs all the rest.
  open.defer(() => worker.stop());
  const opened = open.move();
  return {
    ...parts,
    work,
    worker,
    ...people,
    ...photos,
    address,
    limits,
    requests: new RequestStates(),
    resources: createResources(accountQueue, registry),
    statistics: new StatisticsReader(db),
    exports: new Exports(parts),
    backups,
    health,
    metrics,
    onAnswered: metrics?.onAnswered,
    access: new Access(config, log, overrides.accessNetwork),
    dispose: () => opened.disposeAsync(),
  };
}

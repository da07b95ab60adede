import { getTableName, sql } from "drizzle-orm";
import type { Queryable, Transaction } from "../../database/client.ts";
import type { Registry } from "../../sync/entity.ts";
import { ImportError } from "./import-error.ts";

const startAfresh = (email: string) =>
  `Import into a new one: "trailglass delete-user ${email}", if nothing in it is wanted, then "trailglass create-user ${email}"`;

/** Whether an account holds anything that syncs, deleted or not. */
async function isEmpty(db: Queryable, registry: Registry, userId: string): Promise<boolean> {
  const tables = [
    ...registry.map(({ table }) => getTableName(table)),
    "encrypted_sync_data",
    "trip_members",
    "sync_conflicts",
  ];
  const any = tables.map(
    (table) => sql`EXISTS (SELECT FROM ${sql.identifier(table)} WHERE user_id = ${userId})`,
  );
  const [found] = await db.execute<{ full: boolean }>(sql`SELECT ${sql.join(any, sql` OR `)} AS full`);
  return found?.full === false;
}

/** Whom something is imported for. */
export interface Importer {
  readonly userId: string;
  readonly email: string;
}

/**
 * An account may be imported into when it holds nothing, and no phone was ever given a version of it. Versions are kept, so
 * they are lower than such a phone's cursor, and it would never be given what is under them (sync.md, I1).
 * @throws ImportError refused
 */
export async function requireUnused(
  db: Queryable,
  registry: Registry,
  { userId, email }: Importer,
  version: number | undefined,
): Promise<void> {
  if (version === undefined) throw new ImportError("refused", `The account ${email} is gone`);
  if (!(await isEmpty(db, registry, userId)))
    throw new ImportError("refused", `The account ${email} has a journal already. ${startAfresh(email)}`);
  if (version === 0) return;
  const why = `Phones have synced with the account ${email} already, and would miss what is imported now`;
  throw new ImportError(
    "refused",
    `${why}. ${startAfresh(email)}, and sign phones in when the import is done`,
  );
}

/** The account's newest version; undefined when it is gone. @param lock whether nobody else may change it from now on */
export async function readVersion(
  db: Queryable | Transaction,
  userId: string,
  lock: boolean,
): Promise<number | undefined> {
  const [row] = await db.execute<{ version: number }>(
    sql`SELECT version FROM sync_versions WHERE user_id = ${userId} ${lock ? sql`FOR UPDATE` : sql``}`,
  );
  return row?.version;
}

import { getTableName, type SQL, sql } from "drizzle-orm";
import { executeRaw, type Transaction } from "../database/client.ts";
import { arrayLiteral } from "./array-literal.ts";
import type { Content, Entity, Kind, Registry } from "./entity.ts";
import { entitySql, envelopeSql } from "./wire-sql.ts";

/** Ids by kind. */
export type IdsByKind = ReadonlyMap<Kind, readonly string[]>;

/** Changes of one kind as JSON text in UTF-8: members of an array, already joined by commas. */
export interface ChangeTexts {
  readonly live: Uint8Array[];
  readonly deleted: Uint8Array[];
}

/** A page of changes, in the order of their versions. */
export interface ChangesPage {
  readonly lists: ReadonlyMap<Kind, ChangeTexts>;
  /** Everything up to here is in this page or came before it. */
  readonly upTo: number;
  readonly hasMore: boolean;
}

export interface ReadOptions {
  readonly userId: string;
  /** Changes with `from < version <= to`. */
  readonly from: number;
  readonly to: number;
  /** Changes at most. */
  readonly limit: number;
  /** Whether envelopes are given, or only their deletions. */
  readonly withEnvelopes: boolean;
  /** Whether the account has envelopes at all. */
  readonly hasEnvelopes: boolean;
  /** Left out of the window, with the version where it is known. */
  readonly excluded: ReadonlyMap<Kind, readonly { id: string; version: number | null }[]>;
  /** Given, also from outside of the window. */
  readonly forced: IdsByKind;
}

/**
 * Bytes of a page at most, give or take a read. What is read here is held until the phone has taken it, so this bounds
 * the memory of an answer. A point is about 350 bytes.
 */
const pageBytes = 9_000_000;
/** Rows read at once, and bytes that such a read should stay near. */
const largestChunk = 4000;
const chunkBytes = 1_000_000;

/** Cuts the next few changes: how many of each kind, and the version of the last. */
async function cutChunk(
  tx: Transaction,
  registry: Registry,
  options: ReadOptions,
  from: number,
  rows: number,
) {
  // Each table is asked for no more than can be needed: sorting all that is left would make a long sync quadratic.
  const next = (table: string, kind: SQL) => sql`(
    SELECT server_version AS version, ${kind} AS kind FROM ${sql.raw(table)}
    WHERE user_id = ${options.userId} AND server_version > ${from} AND server_version <= ${options.to}
    ORDER BY server_version LIMIT ${rows})`;
  const tables = registry.map(({ kind, table }) => next(getTableName(table), sql`${kind}::text`));
  if (options.hasEnvelopes) tables.push(next("encrypted_sync_data", sql`kind`));
  const found = await tx.execute<{ kind: Kind; last: number; rows: number }>(sql`
    SELECT kind, max(version) AS last, count(*) AS rows
    FROM (SELECT * FROM (${sql.join(tables, sql` UNION ALL `)}) changes ORDER BY version LIMIT ${rows}) chunk GROUP BY kind`);
  return {
    kinds: found.map(({ kind }) => kind),
    rows: found.reduce((sum, row) => sum + row.rows, 0),
    upTo: found.reduce((last, row) => Math.max(last, row.last), from),
  };
}

/** Collects the texts of a page as they come. */
class Page {
  readonly lists = new Map<Kind, ChangeTexts>();
  bytes = 0;

  add(kind: Kind, live: Uint8Array | null, deleted: Uint8Array | null): void {
    const list = this.lists.get(kind) ?? { live: [], deleted: [] };
    if (live) list.live.push(live);
    if (deleted) list.deleted.push(deleted);
    this.lists.set(kind, list);
    this.bytes += (live?.byteLength ?? 0) + (deleted?.byteLength ?? 0);
  }
}

/** Rows of a table, or the envelopes of a kind, under the alias `r`. */
type Source = (table: SQL, isOfKind: SQL) => SQL;

/** By their key, one by one: see `readStored` for why. */
const byIds =
  (userId: string, ids: readonly string[], side: SQL): Source =>
  (table, isOfKind) =>
    sql`
    SELECT r.* FROM (SELECT ${userId}::uuid AS user_id, unnest(${arrayLiteral(ids)}::text[]) AS id) x CROSS JOIN LATERAL
    (SELECT * FROM ${table} r WHERE r.user_id = x.user_id AND r.id = x.id AND ${isOfKind} LIMIT 1) r WHERE ${side}`;

interface Range {
  readonly from: number;
  readonly upTo: number;
  readonly rows: number;
}

/** The limit cuts nothing off: by it Postgres knows that there is little to read, and follows the versions' index. */
const byRange =
  (userId: string, { from, upTo, rows }: Range, excluded: readonly string[]): Source =>
  (table, isOfKind) =>
    sql`
    SELECT * FROM ${table} r
    WHERE r.user_id = ${userId} AND r.server_version > ${from} AND r.server_version <= ${upTo} AND ${isOfKind}
      ${excluded.length > 0 ? sql`AND r.id <> ALL(${arrayLiteral(excluded)}::text[])` : sql``}
    ORDER BY r.server_version LIMIT ${rows}`;

/** The rows of a kind, with the envelopes that stand for some of them, as `id, version, deleted, json`. */
function rowsOf(entity: Entity, { hasEnvelopes, withEnvelopes }: ReadOptions, source: Source): SQL {
  const columns = sql.raw("t.id, t.server_version AS version, t.deleted_at IS NOT NULL AS deleted");
  const from = (rows: SQL, json: string) => sql`
    SELECT ${columns}, CASE WHEN t.deleted_at IS NULL THEN ${sql.raw(json)} END AS json FROM (${rows}) t`;
  const clear = from(source(sql.raw(getTableName(entity.table)), sql`true`), entitySql(entity));
  if (!hasEnvelopes) return clear;
  // Who syncs in clear could not read an envelope; that one was deleted, it can.
  const envelopes = source(sql.raw("encrypted_sync_data"), sql`r.kind = ${entity.kind}`);
  return sql`${clear} UNION ALL ${from(envelopes, withEnvelopes ? envelopeSql : "NULL")}`;
}

/** Entities as answers show them, as members of an array; most kinds pass through as Postgres wrote them. */
function presented({ present }: Entity, live: Uint8Array): Uint8Array {
  if (!present) return live;
  const entities = JSON.parse(`[${new TextDecoder().decode(live)}]`) as Content[];
  return Buffer.from(entities.map((entity) => JSON.stringify(present(entity))).join(","));
}

async function readKind(
  tx: Transaction,
  entity: Entity,
  options: ReadOptions,
  source: Source,
  page: Page,
): Promise<void> {
  const [[live, deleted] = []] = await executeRaw(
    tx,
    sql`SELECT string_agg(json, ','), string_agg('"' || id || '"', ',') FILTER (WHERE deleted)
    FROM (SELECT * FROM (${rowsOf(entity, options, source)}) rows ORDER BY version) changes`,
  );
  page.add(entity.kind, live ? presented(entity, live) : null, deleted ?? null);
}

async function readRange(
  tx: Transaction,
  registry: Registry,
  options: ReadOptions,
  { kinds, ...range }: Range & { kinds: readonly string[] },
  page: Page,
): Promise<void> {
  const isHere = ({ version }: { version: number | null }) =>
    version === null || (version > range.from && version <= range.upTo);
  for (const entity of registry.filter(({ kind }) => kinds.includes(kind))) {
    const excluded = (options.excluded.get(entity.kind) ?? []).filter(isHere).map(({ id }) => id);
    await readKind(tx, entity, options, byRange(options.userId, range, excluded), page);
  }
}

/** Adds what is forced and lies outside of the window, on the side given. */
async function readForced(
  tx: Transaction,
  registry: Registry,
  options: ReadOptions,
  side: SQL,
  page: Page,
): Promise<void> {
  for (const entity of registry) {
    const ids = options.forced.get(entity.kind) ?? [];
    if (ids.length > 0) await readKind(tx, entity, options, byIds(options.userId, ids, side), page);
  }
}

/** Adds the changes of the window, chunk by chunk, until it ends, or the page is full. */
async function readWindow(
  tx: Transaction,
  registry: Registry,
  options: ReadOptions,
  page: Page,
): Promise<{ upTo: number; hasMore: boolean }> {
  let { from } = options;
  let taken = 0;
  let chunk = Math.min(500, options.limit);
  while (from < options.to) {
    const cut = await cutChunk(tx, registry, options, from, chunk);
    await readRange(tx, registry, options, { from, ...cut }, page);
    taken += cut.rows;
    if (cut.rows < chunk) return { upTo: options.to, hasMore: false };
    from = cut.upTo;
    if (taken >= options.limit || page.bytes >= pageBytes) break;
    const near = Math.max(20, Math.floor(chunkBytes / Math.max(1, page.bytes / taken)));
    chunk = Math.min(largestChunk, options.limit - taken, near);
  }
  const rest = from < options.to ? await cutChunk(tx, registry, options, from, 1) : { rows: 0 };
  return rest.rows > 0 ? { upTo: from, hasMore: true } : { upTo: options.to, hasMore: false };
}

/**
 * Reads a page of changes in ascending order of version, cut at a version when it reaches the limit. The caller's
 * transaction holds the counter's lock or one snapshot, so that all statements see the same state (I6).
 */
export async function readChanges(
  tx: Transaction,
  registry: Registry,
  options: ReadOptions,
): Promise<ChangesPage> {
  const page = new Page();
  await readForced(tx, registry, options, sql`r.server_version <= ${options.from}`, page);
  const window = await readWindow(tx, registry, options, page);
  await readForced(tx, registry, options, sql`r.server_version > ${window.upTo}`, page);
  return { lists: page.lists, ...window };
}

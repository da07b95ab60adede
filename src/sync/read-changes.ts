import { getTableName, type SQL, sql } from "drizzle-orm";
import type { Transaction } from "../database/client.ts";
import { arrayLiteral } from "./array-literal.ts";
import type { Entity, Kind, Registry } from "./entity.ts";
import { entitySql, envelopeSql } from "./wire-sql.ts";

/** Ids by kind. */
export type IdsByKind = ReadonlyMap<Kind, readonly string[]>;

/** Changes of one kind as JSON text: members of an array, already joined by commas. */
export interface ChangeTexts {
  readonly live: string[];
  readonly deleted: string[];
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
  /** Not given, whatever their version. */
  readonly excluded: IdsByKind;
  /** Given, whatever their version. */
  readonly forced: IdsByKind;
}

/**
 * Characters of a page at most. What is read here is held until the phone has taken it, so this bounds the
 * memory of an answer; 20,000 points are about 7 million.
 */
const pageCharacters = 12_000_000;
/** Rows read at once, and characters that such a read should stay near. */
const largestChunk = 2000;
const chunkCharacters = 1_000_000;

/** Cuts the next few changes: how many of each kind, and the version of the last. */
async function cutChunk(
  tx: Transaction,
  registry: Registry,
  options: ReadOptions,
  from: number,
  rows: number,
) {
  const range = sql`user_id = ${options.userId} AND server_version > ${from} AND server_version <= ${options.to}`;
  const tables = registry.map(
    ({ kind, table }) =>
      sql`SELECT server_version AS version, ${kind} AS kind FROM ${sql.raw(getTableName(table))} WHERE ${range}`,
  );
  if (options.hasEnvelopes)
    tables.push(sql`SELECT server_version, 'envelopes' FROM encrypted_sync_data WHERE ${range}`);
  const found = await tx.execute<{ kind: Kind | "envelopes"; last: number; rows: number }>(sql`
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
  characters = 0;

  add(kind: Kind, live: string | null, deleted: string | null): void {
    const list = this.lists.get(kind) ?? { live: [], deleted: [] };
    if (live) list.live.push(live);
    if (deleted) list.deleted.push(deleted);
    this.lists.set(kind, list);
    this.characters += (live?.length ?? 0) + (deleted?.length ?? 0);
  }
}

const anyOf = (ids: readonly string[]) => sql`t.id = ANY(${arrayLiteral(ids)}::text[])`;
const deletedIds = sql.raw(`string_agg('"' || id || '"', ',') FILTER (WHERE deleted)`);

async function readKind(
  tx: Transaction,
  entity: Entity,
  userId: string,
  where: SQL,
  page: Page,
): Promise<void> {
  const [row] = await tx.execute<{ live: string | null; deleted: string | null }>(sql`
    SELECT string_agg(json, ',') FILTER (WHERE NOT deleted) AS live, ${deletedIds} AS deleted
    FROM (SELECT t.id, t.deleted_at IS NOT NULL AS deleted,
        CASE WHEN t.deleted_at IS NULL THEN ${sql.raw(entitySql(entity))} END AS json
      FROM ${sql.raw(getTableName(entity.table))} t
      WHERE t.user_id = ${userId} AND ${where} ORDER BY t.server_version) changes`);
  page.add(entity.kind, row?.live ?? null, row?.deleted ?? null);
}

async function readEnvelopes(tx: Transaction, options: ReadOptions, where: SQL, page: Page): Promise<void> {
  const live = options.withEnvelopes
    ? sql`string_agg(json, ',') FILTER (WHERE NOT deleted)`
    : sql`NULL::text`;
  const rows = await tx.execute<{ kind: Kind; live: string | null; deleted: string | null }>(sql`
    SELECT kind, ${live} AS live, ${deletedIds} AS deleted
    FROM (SELECT t.kind, t.id, t.deleted_at IS NOT NULL AS deleted,
        CASE WHEN t.deleted_at IS NULL THEN ${sql.raw(envelopeSql)} END AS json
      FROM encrypted_sync_data t
      WHERE t.user_id = ${options.userId} AND ${where} ORDER BY t.server_version) changes
    GROUP BY kind`);
  for (const row of rows) page.add(row.kind, row.live, row.deleted);
}

/** What the window leaves out: what is excluded, and what is forced in by another way. */
function leftOut({ excluded, forced }: ReadOptions, kind: Kind): readonly string[] {
  return [...(excluded.get(kind) ?? []), ...(forced.get(kind) ?? [])];
}

function envelopesLeftOut(registry: Registry, options: ReadOptions): SQL {
  const clauses = registry
    .map(({ kind }) => ({ kind, ids: leftOut(options, kind) }))
    .filter(({ ids }) => ids.length > 0)
    .map(({ kind, ids }) => sql`AND NOT (t.kind = ${kind} AND ${anyOf(ids)})`);
  return sql.join(clauses, sql` `);
}

async function readRange(
  tx: Transaction,
  registry: Registry,
  options: ReadOptions,
  { from, upTo, kinds }: { from: number; upTo: number; kinds: readonly string[] },
  page: Page,
): Promise<void> {
  const range = sql`t.server_version > ${from} AND t.server_version <= ${upTo}`;
  for (const entity of registry.filter(({ kind }) => kinds.includes(kind))) {
    const ids = leftOut(options, entity.kind);
    const where = ids.length > 0 ? sql`${range} AND NOT ${anyOf(ids)}` : range;
    await readKind(tx, entity, options.userId, where, page);
  }
  if (!kinds.includes("envelopes")) return;
  await readEnvelopes(tx, options, sql`${range} ${envelopesLeftOut(registry, options)}`, page);
}

async function readForced(
  tx: Transaction,
  registry: Registry,
  options: ReadOptions,
  page: Page,
): Promise<void> {
  for (const entity of registry) {
    const ids = options.forced.get(entity.kind) ?? [];
    if (ids.length === 0) continue;
    await readKind(tx, entity, options.userId, anyOf(ids), page);
    if (options.hasEnvelopes)
      await readEnvelopes(tx, options, sql`t.kind = ${entity.kind} AND ${anyOf(ids)}`, page);
  }
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
  await readForced(tx, registry, options, page);
  let { from } = options;
  let taken = 0;
  let chunk = Math.min(500, options.limit);
  while (from < options.to) {
    const cut = await cutChunk(tx, registry, options, from, chunk);
    await readRange(tx, registry, options, { from, ...cut }, page);
    taken += cut.rows;
    if (cut.rows < chunk) return { lists: page.lists, upTo: options.to, hasMore: false };
    from = cut.upTo;
    if (taken >= options.limit || page.characters >= pageCharacters) break;
    const charactersPerRow = Math.max(1, page.characters / taken);
    chunk = Math.min(
      largestChunk,
      options.limit - taken,
      Math.max(20, Math.floor(chunkCharacters / charactersPerRow)),
    );
  }
  const rest = from < options.to ? await cutChunk(tx, registry, options, from, 1) : { rows: 0 };
  return rest.rows > 0
    ? { lists: page.lists, upTo: from, hasMore: true }
    : { lists: page.lists, upTo: options.to, hasMore: false };
}

import { getTableName, type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { AppError, invalid, notFound, versionConflict } from "../errors.ts";
import type { Session } from "../http/guards.ts";
import type { AccountQueue } from "../sync/account-queue.ts";
import type { Outcome } from "../sync/apply-changes.ts";
import type { Change } from "../sync/change.ts";
import type { Content, Entity, Registry } from "../sync/entity.ts";
import { entityId, instant, maybe, version } from "../sync/schemas.ts";
import { entitySql } from "../sync/wire-sql.ts";
import { whateverIsThere, writeChanges } from "../sync/write.ts";

/** What a versioned write answers. */
export interface Written {
  readonly id: string;
  readonly serverVersion: number;
  readonly syncTimestamp: string;
}

export interface ListQuery {
  /** Conditions on the table under the alias `t`. */
  readonly where: readonly SQL[];
  readonly orderBy: SQL;
  readonly limit: number;
  readonly offset: number;
}

/** What a write may say beside the entity's own fields. */
export const common = z.object({
  localVersion: maybe(z.number("must be a whole number").int("must be a whole number")),
  lastModified: maybe(instant),
});

/**
 * One kind of entity as a REST resource. Reading is its own; every write is the one-element call of what a delta
 * calls with many.
 */
export class Resource {
  readonly #patch: z.ZodType<Content>;

  constructor(
    private readonly accounts: AccountQueue,
    private readonly registry: Registry,
    readonly entity: Entity,
    /** What it is called in a 404. */
    readonly name: string,
  ) {
    this.#patch = patchSchema(entity);
  }

  /** Entities as wire objects, with the page's place in the whole. */
  async list(userId: string, { where, orderBy, limit, offset }: ListQuery) {
    const conditions = sql.join([sql`t.user_id = ${userId} AND t.deleted_at IS NULL`, ...where], sql` AND `);
    const from = sql`FROM ${sql.raw(getTableName(this.entity.table))} t WHERE ${conditions}`;
    const [count] = await this.accounts.db.execute<{ total: number }>(sql`SELECT count(*) AS total ${from}`);
    const rows = await this.accounts.db.execute<{ json: string }>(
      sql`SELECT ${sql.raw(entitySql(this.entity))} AS json ${from} ORDER BY ${orderBy} LIMIT ${limit} OFFSET ${offset}`,
    );
    const total = count?.total ?? 0;
    const items = rows.map(({ json }) => this.#present(JSON.parse(json) as Content));
    return { items, pagination: { total, limit, offset, hasMore: offset + items.length < total } };
  }

  #present(entity: Content): Content {
    return this.entity.present?.(entity) ?? entity;
  }

  /** @throws 404 when the account has no such entity, or it is deleted, or another account's. */
  async get(userId: string, id: string): Promise<Content> {
    const { items } = await this.list(userId, {
      where: [sql`t.id = ${id}`],
      orderBy: sql`t.id`,
      limit: 1,
      offset: 0,
    });
    if (!items[0]) throw notFound(this.name);
    return items[0];
  }

  /**
   * @param base version of the tombstone that may come alive again this way
   * @throws 409 when the id is taken by another content; the same content again is the same answer again.
   */
  async create(
    session: Session,
    body: Content,
    id: string = readId(body),
    base: number | null = null,
  ): Promise<Written> {
    const content = this.#read(this.entity.schema, body);
    const outcome = await this.#write(session, body, {
      id,
      content,
      base,
      reading: "whole",
      strict: true,
    });
    if (!outcome.decision.accepted) throw versionConflict(outcome.stored?.serverVersion ?? 0, base ?? 0);
    return toWritten(outcome);
  }

  /** @throws 404 when there is nothing to change, 409 when `expectedVersion` is stale. */
  async patch(session: Session, id: string, body: Content): Promise<Written> {
    const expected = readExpectedVersion(body);
    const content = this.#read(this.#patch, body);
    const outcome = await this.#write(session, body, {
      id,
      content,
      base: expected,
      reading: "patch",
      strict: true,
    });
    if (outcome.contradiction) throw invalid({ body: outcome.contradiction });
    if (!outcome.stored || outcome.stored.deleted || outcome.stored.encrypted) throw notFound(this.name);
    if (!outcome.decision.accepted) throw versionConflict(outcome.stored.serverVersion, expected);
    return toWritten(outcome);
  }

  /** Deletes whatever is there; what is deleted already stays so. @throws 404 for what never was. */
  async remove(session: Session, id: string): Promise<void> {
    const outcome = await this.#write(
      session,
      {},
      { id, content: null, base: whateverIsThere, reading: "whole", strict: false },
    );
    if (!outcome.stored) throw notFound(this.name);
  }

  #read(schema: z.ZodType<Content>, body: Content): Content {
    const result = schema.safeParse(body);
    if (!result.success) {
      throw invalid(
        Object.fromEntries(
          result.error.issues.map((issue) => [issue.path.join(".") || "body", issue.message]),
        ),
      );
    }
    const contradiction = schema === this.#patch ? null : this.entity.contradiction?.(result.data);
    if (contradiction) throw invalid({ body: contradiction });
    return result.data;
  }

  async #write(
    session: Session,
    body: Content,
    change: Pick<Change, "id" | "content" | "base" | "reading" | "strict">,
  ): Promise<Outcome> {
    const meta = common.safeParse(body);
    const { localVersion, lastModified } = meta.success
      ? meta.data
      : { localVersion: null, lastModified: null };
    const whole: Change = {
      kind: this.entity.kind,
      deleted: change.content === null,
      encrypted: false,
      localVersion,
      lastModified: lastModified ?? new Date().toISOString(),
      ...change,
    };
    const { outcomes } = await writeChanges(this.accounts, this.registry, session, [whole]);
    return outcomes[0] as Outcome;
  }
}

/** An entity of which any field may be missing or null, which leaves that as it is. */
export function patchSchema({ schema }: Entity) {
  const shape = Object.entries(schema.shape).map(([key, field]) => [
    key,
    (field as z.ZodType).nullish().transform((value) => value ?? null),
  ]);
  return z.object(Object.fromEntries(shape) as Record<string, z.ZodType>);
}

/** Any JSON object: what it has to hold is read from it piece by piece. */
export const anyBody: z.ZodType<Content> = z.record(z.string(), z.unknown(), "must be a JSON object");

/** The id that a new entity comes with, or a new one. @throws 400 */
export function readId(body: Content): string {
  const id = entityId.nullish().safeParse(body.id);
  if (!id.success) throw invalid({ id: id.error.issues[0]?.message ?? "is not valid" });
  return id.data ?? crypto.randomUUID();
}

/** @throws 400 when it is missing. */
export function readExpectedVersion(body: Content): number {
  const expected = version.safeParse(body.expectedVersion);
  if (expected.success) return expected.data;
  throw invalid({
    expectedVersion:
      body.expectedVersion === undefined ? "is missing" : (expected.error.issues[0]?.message ?? ""),
  });
}

/** Reads the id in a path. One that no entity can have is simply not found. */
export function readPathId(id: string, name: string): string {
  if (!entityId.safeParse(id).success) throw notFound(name);
  return id;
}

function toWritten({ change, version, stored }: Outcome): Written {
  return {
    id: change.id,
    serverVersion: version ?? stored?.serverVersion ?? 0,
    syncTimestamp: new Date().toISOString(),
  };
}

/** Refuses what could not be told apart from a defect otherwise. */
export function requireAccepted(outcome: Outcome, expectedVersion: number): void {
  if (outcome.decision.accepted) return;
  throw outcome.stored
    ? versionConflict(outcome.stored.serverVersion, expectedVersion)
    : new AppError("CONFLICT", "This could not be written");
}

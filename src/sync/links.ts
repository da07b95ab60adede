import { type SQL, sql } from "drizzle-orm";
import type { Transaction } from "../database/client.ts";
import { arrayLiteral } from "./array-literal.ts";
import type { Change } from "./change.ts";
import type { Stored } from "./decide.ts";
import type { Entity, Link, LinkKey, StandingLink } from "./entity.ts";

/** What a change means for the links of its entity: links that it adds, and such that it takes away. */
export interface LinkEdits {
  readonly added: readonly Link[];
  readonly removed: readonly StandingLink[];
}

const none: LinkEdits = { added: [], removed: [] };

function idsAt(value: unknown): string[] {
  if (Array.isArray(value)) return value as string[];
  return typeof value === "string" ? [value] : [];
}

function linkTo({ relation, memberKind, side }: LinkKey, id: string, other: string): Link {
  return side === "owner"
    ? { relation, memberKind, ownerId: id, memberId: other }
    : { relation, memberKind, ownerId: other, memberId: id };
}

const isSame = (a: Link, b: Link) =>
  a.relation === b.relation &&
  a.ownerId === b.ownerId &&
  a.memberKind === b.memberKind &&
  a.memberId === b.memberId;

/**
 * A link is added unless it stands, or was taken away without the change's device knowing. Whoever knows the
 * entity's newest version knows of everything that was taken away from it: each such thing gave it a new one.
 */
function isFresh(wish: Link, change: Change, stored: Stored | null): boolean {
  const base = change.base ?? -1;
  const knowsAll = base >= (stored?.serverVersion ?? 0);
  const rows = (stored?.links ?? []).filter((link) => isSame(link, wish));
  return !rows.some((link) => !link.removed || (!knowsAll && link.version > base));
}

/**
 * Works out the links that a change adds and removes. A delta only ever adds: an empty list there means that the
 * phone knows nothing. A patch that names a list makes it so.
 */
export function editLinks(entity: Entity, change: Change, stored: Stored | null): LinkEdits {
  const { content } = change;
  if (!entity.linkKeys || change.deleted || change.encrypted || content === null) return none;
  const standing = stored?.links ?? [];
  const edits = Object.entries(entity.linkKeys).map(([name, key]) => {
    const wishes = idsAt(content[name]).map((other) => linkTo(key, change.id, other));
    const ofKey = standing.filter(
      (link) => link.relation === key.relation && link.memberKind === key.memberKind && !link.removed,
    );
    const replaces = change.reading === "patch" && (content[name] ?? null) !== null;
    return {
      added: wishes.filter((wish) => isFresh(wish, change, stored)),
      removed: replaces ? ofKey.filter((link) => !wishes.some((wish) => isSame(wish, link))) : [],
    };
  });
  return { added: edits.flatMap(({ added }) => added), removed: edits.flatMap(({ removed }) => removed) };
}

/** Writes the links between trips and their members; the other relation is written as attachments. */
export async function writeTripMembers(
  tx: Transaction,
  userId: string,
  edits: readonly LinkEdits[],
  version: number,
): Promise<Link[]> {
  const added = edits.flatMap((edit) => edit.added).filter(({ relation }) => relation === "tripMembers");
  const removed = edits.flatMap((edit) => edit.removed).filter(({ relation }) => relation === "tripMembers");
  const rows = new Map<string, Link & { gone: boolean }>();
  for (const link of removed)
    rows.set(`${link.ownerId} ${link.memberKind} ${link.memberId}`, { ...link, gone: true });
  for (const link of added)
    rows.set(`${link.ownerId} ${link.memberKind} ${link.memberId}`, { ...link, gone: false });
  if (rows.size === 0) return [];
  const links = [...rows.values()];
  await tx.execute(sql`
    INSERT INTO trip_members AS t (user_id, trip_id, member_kind, member_id, version, removed)
    SELECT ${userId}::uuid, x.trip_id, x.kind, x.member_id, ${version}, x.gone
    FROM unnest(${arrayLiteral(links.map(({ ownerId }) => ownerId))}::text[],
      ${arrayLiteral(links.map(({ memberKind }) => memberKind))}::text[],
      ${arrayLiteral(links.map(({ memberId }) => memberId))}::text[],
      ${arrayLiteral(links.map(({ gone }) => gone))}::boolean[]) AS x (trip_id, kind, member_id, gone)
    ON CONFLICT (user_id, trip_id, member_kind, member_id) DO UPDATE SET version = EXCLUDED.version, removed = EXCLUDED.removed`);
  return links;
}

/** Ids, by kind, of what this transaction wrote or linked. */
export interface Written {
  readonly placeVisits: readonly string[];
  readonly trips: readonly string[];
  readonly photos: readonly string[];
  readonly photoAttachments: readonly string[];
  readonly links: readonly Link[];
}

type Linked = "placeVisits" | "trips" | "photos";
const tableOf: Record<Linked, string> = { placeVisits: "place_visits", trips: "trips", photos: "photos" };

/** Both ends of links, as kinds and ids. */
function endsOf(links: readonly Link[]): { kind: Linked; id: string }[] {
  const ownerKind = { visitPhotos: "placeVisits", tripMembers: "trips" } as const;
  return links.flatMap(({ relation, ownerId, memberKind, memberId }) => [
    { kind: ownerKind[relation], id: ownerId },
    { kind: memberKind, id: memberId },
  ]);
}

/** What stands beside the entities written, and the links' ends themselves. */
async function findNeighbours(
  tx: Transaction,
  userId: string,
  written: Written,
): Promise<{ kind: Linked; id: string }[]> {
  const ids = (list: readonly string[]) => sql`${arrayLiteral(list)}::text[]`;
  const found = await tx.execute<{ kind: Linked; id: string }>(sql`
    WITH attached AS (
      SELECT place_visit_id AS visit, photo_id AS photo FROM photo_attachments
      WHERE user_id = ${userId} AND (id = ANY(${ids(written.photoAttachments)})
        OR (deleted_at IS NULL AND (photo_id = ANY(${ids(written.photos)}) OR place_visit_id = ANY(${ids(written.placeVisits)}))))
    ), members AS (
      SELECT trip_id, member_kind, member_id FROM trip_members
      WHERE user_id = ${userId} AND NOT removed AND (trip_id = ANY(${ids(written.trips)})
        OR (member_kind = 'photos' AND member_id = ANY(${ids(written.photos)}))
        OR (member_kind = 'placeVisits' AND member_id = ANY(${ids(written.placeVisits)})))
    )
    SELECT 'placeVisits' AS kind, visit AS id FROM attached UNION SELECT 'photos', photo FROM attached
    UNION SELECT 'trips', trip_id FROM members UNION SELECT member_kind, member_id FROM members`);
  return [...found, ...endsOf(written.links)];
}

/** Gives rows a new version without editing them: other devices have to hear of them, nobody's edit is touched. */
export async function giveNewVersions(
  tx: Transaction,
  table: SQL,
  userId: string,
  ids: readonly string[],
  next: () => number,
): Promise<void> {
  if (ids.length === 0) return;
  await tx.execute(sql`
    UPDATE ${table} t SET server_version = x.version, updated_at = now()
    FROM unnest(${arrayLiteral(ids)}::text[], ${arrayLiteral(ids.map(() => next()))}::bigint[]) AS x (id, version)
    WHERE t.user_id = ${userId} AND t.id = x.id`);
}

/**
 * Gives a new version to entities that were not written themselves, but whose links start or stop to show by what
 * was: other devices have to hear of it. Who edited them, and at which version, stays as it is, so that nobody's
 * edit comes into conflict with it.
 * @param next takes a number of the account's counter
 * @returns `kind:id` of each
 */
export async function touchNeighbours(
  tx: Transaction,
  userId: string,
  written: Written,
  next: () => number,
): Promise<Set<string>> {
  const touched = new Set<string>();
  const neighbours = await findNeighbours(tx, userId, written);
  for (const kind of Object.keys(tableOf) as Linked[]) {
    const own = new Set(written[kind]);
    const beside = neighbours.filter((row) => row.kind === kind && !own.has(row.id));
    const candidates = [...new Set(beside.map(({ id }) => id))];
    if (candidates.length === 0) continue;
    const table = sql.raw(tableOf[kind]);
    const live = await tx.execute<{ id: string }>(sql`
      SELECT id FROM ${table} WHERE user_id = ${userId} AND deleted_at IS NULL AND id = ANY(${arrayLiteral(candidates)}::text[])`);
    if (live.length === 0) continue;
    await giveNewVersions(
      tx,
      table,
      userId,
      live.map(({ id }) => id),
      next,
    );
    for (const { id } of live) touched.add(`${kind}:${id}`);
  }
  return touched;
}

import { type SQL, sql } from "drizzle-orm";
import type { Transaction } from "../database/client.ts";
import { arrayLiteral } from "./array-literal.ts";
import type { Change } from "./change.ts";
import { keyOf } from "./conflicts.ts";
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

const linkKey = ({ relation, ownerId, memberKind, memberId }: Link) =>
  `${relation} ${ownerId} ${memberKind} ${memberId}`;

type Standing = ReadonlyMap<string, readonly StandingLink[]>;

/** The links that a value under a link key means. */
function linksAt([name, key]: [string, LinkKey], { id, content }: Change): Link[] {
  return idsAt(content?.[name]).map((other) => linkTo(key, id, other));
}

/**
 * Whether a wished link is to be added: unless it stands, or was taken away without the change's device knowing. Whoever
 * knows the entity's newest version knows of everything that was taken away from it: each such thing gave it a new one.
 */
function isFresh(wish: Link, standing: Standing, change: Change, stored: Stored | null): boolean {
  const rows = standing.get(linkKey(wish)) ?? [];
  const base = change.base ?? -1;
  const knowsAll = base >= (stored?.serverVersion ?? 0);
  return rows.every(({ removed, version }) => removed && (knowsAll || version <= base));
}

/** The edits that a value under one link key means. */
function editKey(
  entry: [string, LinkKey],
  change: Change,
  stored: Stored | null,
  standing: Standing,
): LinkEdits {
  const [name, key] = entry;
  const wishes = linksAt(entry, change);
  const wished = new Set(wishes.map(linkKey));
  const replaces =
    (change.reading === "patch" || change.reading === "merged") && (change.content?.[name] ?? null) !== null;
  const isOfKey = (link: StandingLink) =>
    link.relation === key.relation && link.memberKind === key.memberKind;
  const live = (stored?.links ?? []).filter((link) => !link.removed && isOfKey(link));
  return {
    added: wishes.filter((wish) => isFresh(wish, standing, change, stored)),
    removed: replaces ? live.filter((link) => !wished.has(linkKey(link))) : [],
  };
}

/**
 * Works out the links that a change adds and removes. A delta only ever adds: an empty list there means that the
 * phone knows nothing. A patch that names a list makes it so.
 */
export function editLinks(entity: Entity, change: Change, stored: Stored | null): LinkEdits {
  if (!entity.linkKeys || change.deleted || change.encrypted || change.content === null) return none;
  const standing = Map.groupBy(stored?.links ?? [], linkKey);
  const edits = Object.entries(entity.linkKeys).map((entry) => editKey(entry, change, stored, standing));
  return { added: edits.flatMap(({ added }) => added), removed: edits.flatMap(({ removed }) => removed) };
}

/** Whether a change names links that were taken away. One to something that is not there yet just waits. */
export function namesRemovedLinks(entity: Entity, change: Change, { links }: Stored): boolean {
  const standing = Map.groupBy(links, linkKey);
  return Object.entries(entity.linkKeys ?? {})
    .flatMap((entry) => linksAt(entry, change))
    .some((link) => standing.get(linkKey(link))?.every(({ removed }) => removed) ?? false);
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

/** Ids, by kind, of what came to be there or ceased to be, and the links that changed. */
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
 * @param own `kind:id` of all that was written, which has a new version already
 * @param next takes a number of the account's counter
 * @returns `kind:id` of each
 */
export async function touchNeighbours(
  tx: Transaction,
  userId: string,
  written: Written,
  own: ReadonlySet<string>,
  next: () => number,
): Promise<Set<string>> {
  const touched = new Set<string>();
  const neighbours = await findNeighbours(tx, userId, written);
  for (const kind of Object.keys(tableOf) as Linked[]) {
    const beside = neighbours.filter((row) => row.kind === kind && !own.has(keyOf(row)));
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
    for (const { id } of live) touched.add(keyOf({ kind, id }));
  }
  return touched;
}

import type { LinkKey } from "./entity.ts";

/** Table of each kind that can be at an end of a link. */
const tables = { placeVisits: "place_visits", trips: "trips", photos: "photos" } as const;

interface Rows {
  /** Kind of the entity at the owning end. */
  readonly ownerKind: "placeVisits" | "trips";
  /** SQL of the relation's rows of an account `t.user_id`: owner_id, member_kind, member_id, version, removed, row_id. */
  readonly rows: string;
}

const relations: Record<LinkKey["relation"], Rows> = {
  visitPhotos: {
    ownerKind: "placeVisits",
    rows: `SELECT place_visit_id AS owner_id, 'photos' AS member_kind, photo_id AS member_id,
      server_version AS version, deleted_at IS NOT NULL AS removed, id AS row_id FROM photo_attachments WHERE user_id = t.user_id`,
  },
  tripMembers: {
    ownerKind: "trips",
    rows: `SELECT trip_id AS owner_id, member_kind, member_id, version, removed, NULL AS row_id
      FROM trip_members WHERE user_id = t.user_id`,
  },
};

function ends({ relation, memberKind, side }: LinkKey) {
  const { ownerKind, rows } = relations[relation];
  return side === "owner"
    ? { rows, mine: "owner_id", other: "member_id", otherTable: tables[memberKind] }
    : { rows, mine: "member_id", other: "owner_id", otherTable: tables[ownerKind] };
}

const ofKey = (key: LinkKey, mine: string) => `l.${mine} = t.id AND l.member_kind = '${key.memberKind}'`;

/** SQL of the JSON text of what shows at a row `t`: ids whose link stands and whose other end is there. */
export function shownList(key: LinkKey): { sql: string } {
  const { rows, mine, other, otherTable } = ends(key);
  return {
    sql: `(SELECT coalesce(json_agg(DISTINCT l.${other})::text, '[]') FROM (${rows}) l
      JOIN ${otherTable} o ON o.user_id = t.user_id AND o.id = l.${other} AND o.deleted_at IS NULL
      WHERE ${ofKey(key, mine)} AND NOT l.removed)`,
  };
}

/** The same where the wire has room for one id only: of several, the one linked last. */
export function shownLatest(key: LinkKey): { sql: string } {
  const { rows, mine, other, otherTable } = ends(key);
  return {
    sql: `(SELECT to_json(l.${other})::text FROM (${rows}) l
      JOIN ${otherTable} o ON o.user_id = t.user_id AND o.id = l.${other} AND o.deleted_at IS NULL
      WHERE ${ofKey(key, mine)} AND NOT l.removed ORDER BY l.version DESC LIMIT 1)`,
  };
}

/** SQL of all links that stand at a row `t`, as `StandingLink`s in JSON text. */
export function standingLinks(keys: Readonly<Record<string, LinkKey>>): string {
  const selects = Object.values(keys).map((key) => {
    const { rows, mine } = ends(key);
    return `SELECT json_build_object('relation', '${key.relation}', 'ownerId', l.owner_id, 'memberKind', l.member_kind,
      'memberId', l.member_id, 'version', l.version, 'removed', l.removed, 'rowId', l.row_id) AS link
      FROM (${rows}) l WHERE ${ofKey(key, mine)}`;
  });
  return `SELECT json_agg(link)::text FROM (${selects.join(" UNION ALL ")}) links`;
}

import { createHash, randomUUID } from "node:crypto";
import { type SQL, sql } from "drizzle-orm";
import { pgTable, text as textColumn } from "drizzle-orm/pg-core";
import { z } from "zod";
import type { Transaction } from "../database/client.ts";
import type { Outcome } from "../sync/apply-changes.ts";
import { arrayLiteral } from "../sync/array-literal.ts";
import type { Change } from "../sync/change.ts";
import { decideLastWriter } from "../sync/decide.ts";
import type { Content, Entity, Link } from "../sync/entity.ts";
import type { LinkEdits } from "../sync/links.ts";
import { entityId, instant, maybe, text } from "../sync/schemas.ts";
import { instantColumn, syncColumns } from "../sync/sync-columns.ts";
import { whateverIsThere } from "../sync/write.ts";

export const photoAttachments = pgTable("photo_attachments", {
  ...syncColumns(),
  photoId: textColumn("photo_id"),
  placeVisitId: textColumn("place_visit_id"),
  attachedAt: instantColumn("attached_at"),
  caption: textColumn("caption"),
});

type Pair = Pick<Link, "ownerId" | "memberId">;
const pairKey = ({ ownerId, memberId }: Pair) => `${ownerId} ${memberId}`;

/** The id of the attachment that a bare list of ids asks for: the same from both ends, and for every repeat. */
function listedId(pair: Pair): string {
  return `link_${createHash("sha256").update(pairKey(pair)).digest("hex").slice(0, 32)}`;
}

type Attached = Pair & {
  readonly id: string;
  /** Made from a list, and as it was made: whatever is written later has a later time. */
  readonly untouched: boolean;
};

/** The attachments that link some pairs, and those that have the ids which lists would give to these. */
async function findAttached(
  tx: Transaction,
  userId: string,
  pairs: readonly Pair[],
): Promise<readonly Attached[]> {
  if (pairs.length === 0) return [];
  const found = (match: SQL) => sql`
    SELECT t.id, t.place_visit_id AS "ownerId", t.photo_id AS "memberId",
      t.id = x.id AND t.attached_at = t.last_modified AS untouched
    FROM unnest(${arrayLiteral(pairs.map(listedId))}::text[],
      ${arrayLiteral(pairs.map(({ ownerId }) => ownerId))}::text[],
      ${arrayLiteral(pairs.map(({ memberId }) => memberId))}::text[]) AS x (id, visit, photo)
    JOIN photo_attachments t ON t.user_id = ${userId} AND ${match} WHERE t.deleted_at IS NULL`;
  return tx.execute<Attached>(
    sql`${found(sql`t.place_visit_id = x.visit AND t.photo_id = x.photo`)} UNION ${found(sql`t.id = x.id`)}`,
  );
}

/** Pairs that this request attaches by attachments of the phone's own. */
function pairsOf(own: readonly Outcome[]): Pair[] {
  return own.flatMap(({ change, decision }) => {
    if (!decision.write || change.encrypted) return [];
    const { photoId, placeVisitId } = decision.write as { photoId: string; placeVisitId: string };
    return [{ ownerId: placeVisitId, memberId: photoId }];
  });
}

/** A change about which nothing is left to decide: whether a link is wanted was weighed with the entity that names it. */
function decided(id: string, now: string, content: Content | null): Change {
  return {
    kind: "photoAttachments",
    id,
    encrypted: false,
    deleted: content === null,
    content,
    localVersion: null,
    lastModified: now,
    reading: "whole",
    strict: false,
    base: whateverIsThere,
  };
}

/**
 * The attachments that bare lists of ids (a visit's `photos`, a photo's `placeVisitId`) ask for or, in a PUT, leave
 * out. A phone's own attachment takes the place of one that was made from a list, so that deleting it is enough; but not
 * of one that somebody wrote since, or that comes in the same request: what it says would be lost.
 */
async function deriveFromLists(
  tx: Transaction,
  userId: string,
  edits: readonly LinkEdits[],
  own: readonly Outcome[],
): Promise<Change[]> {
  const now = new Date().toISOString();
  const ofVisits = ({ relation }: Link) => relation === "visitPhotos";
  const added = edits.flatMap((edit) => edit.added.filter(ofVisits));
  const removed = edits.flatMap((edit) => edit.removed.filter(ofVisits));
  const asked = pairsOf(own);
  const attached = await findAttached(tx, userId, [...added, ...asked]);
  const wanted = new Map(added.map((pair) => [pairKey(pair), pair]));
  for (const pair of attached) wanted.delete(pairKey(pair));
  const taken = new Set(attached.map(({ id }) => id));
  const made = [...wanted.values()].map((pair) => {
    // Somebody moved the one that this list made before: it is theirs, and goes on linking what it links now.
    const id = taken.has(listedId(pair)) ? `link_${randomUUID()}` : listedId(pair);
    const { memberId: photoId, ownerId: placeVisitId } = pair;
    return decided(id, now, { photoId, placeVisitId, attachedAt: now, caption: null });
  });
  const replacing = new Set(asked.map(pairKey));
  const sent = new Set(own.map(({ change }) => change.id));
  const replaced = attached.filter(
    (one) => one.untouched && replacing.has(pairKey(one)) && !sent.has(one.id),
  );
  const gone = [...removed.map(({ rowId }) => rowId as string), ...replaced.map(({ id }) => id)];
  return [...made, ...gone.map((id) => decided(id, now, null))];
}

/** A photo shown at a visit: the row behind a visit's `photos` and a photo's `placeVisitId`. */
export const photoAttachment: Entity = {
  kind: "photoAttachments",
  type: "PHOTO_ATTACHMENT",
  table: photoAttachments,
  schema: z.object({
    photoId: entityId,
    placeVisitId: entityId,
    attachedAt: instant,
    caption: maybe(text(5000)),
  }),
  fields: {
    photoId: photoAttachments.photoId,
    placeVisitId: photoAttachments.placeVisitId,
    attachedAt: photoAttachments.attachedAt,
    caption: photoAttachments.caption,
  },
  keptOnDeletion: ["photo_id", "place_visit_id"],
  decide: decideLastWriter,
  derive: deriveFromLists,
};

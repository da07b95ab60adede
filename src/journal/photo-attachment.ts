import { createHash } from "node:crypto";
import { sql } from "drizzle-orm";
import { pgTable, text as textColumn } from "drizzle-orm/pg-core";
import { z } from "zod";
import type { Transaction } from "../database/client.ts";
import type { Outcome } from "../sync/apply-changes.ts";
import { arrayLiteral } from "../sync/array-literal.ts";
import type { Change } from "../sync/change.ts";
import { decideLastWriter } from "../sync/decide.ts";
import type { Entity, Link } from "../sync/entity.ts";
import type { LinkEdits } from "../sync/links.ts";
import { entityId, instant, maybe, text } from "../sync/schemas.ts";
import { instantColumn, syncColumns } from "../sync/sync-columns.ts";

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

/** Pairs of visit and photo that some attachment links already. */
async function findAttached(tx: Transaction, userId: string, pairs: readonly Pair[]): Promise<Set<string>> {
  if (pairs.length === 0) return new Set();
  const rows = await tx.execute<Pair>(sql`
    SELECT t.place_visit_id AS "ownerId", t.photo_id AS "memberId"
    FROM unnest(${arrayLiteral(pairs.map(({ ownerId }) => ownerId))}::text[],
      ${arrayLiteral(pairs.map(({ memberId }) => memberId))}::text[]) AS x (visit, photo)
    JOIN photo_attachments t ON t.user_id = ${userId} AND t.place_visit_id = x.visit AND t.photo_id = x.photo
    WHERE t.deleted_at IS NULL`);
  return new Set(rows.map(pairKey));
}

/** Pairs that this request attaches by attachments of the phone's own. */
function pairsOf(own: readonly Outcome[]): Pair[] {
  return own.flatMap(({ change, decision }) => {
    if (!decision.write || change.encrypted) return [];
    const { photoId, placeVisitId } = decision.write as { photoId: string; placeVisitId: string };
    return [{ ownerId: placeVisitId, memberId: photoId }];
  });
}

/**
 * Which of some attachments that were made from lists are still as they were made. One with a caption is somebody's
 * own by now, and so is one that its phone sends: none of them may go unsaid.
 */
async function findUntouched(
  tx: Transaction,
  userId: string,
  ids: readonly string[],
  own: readonly Outcome[],
): Promise<string[]> {
  const sent = new Set(own.map(({ change }) => change.id));
  const candidates = ids.filter((id) => !sent.has(id));
  if (candidates.length === 0) return [];
  const rows = await tx.execute<{ id: string }>(sql`
    SELECT id FROM photo_attachments
    WHERE user_id = ${userId} AND id = ANY(${arrayLiteral(candidates)}::text[]) AND deleted_at IS NULL AND caption IS NULL`);
  return rows.map(({ id }) => id);
}

/**
 * The attachments that bare lists of ids (a visit's `photos`, a photo's `placeVisitId`) ask for or, in a PUT, leave
 * out. A phone's own attachment takes the place of one that was made from a list and is as it was made, so that deleting
 * it is enough.
 */
async function deriveFromLists(
  tx: Transaction,
  userId: string,
  edits: readonly LinkEdits[],
  own: readonly Outcome[],
): Promise<Change[]> {
  const now = new Date().toISOString();
  // Whether a link is wanted was weighed with the entity that names it; here nothing is left to decide.
  const decided = {
    kind: "photoAttachments",
    encrypted: false,
    localVersion: null,
    lastModified: now,
    reading: "whole",
    strict: false,
    base: Number.MAX_SAFE_INTEGER,
  } as const;
  const added = edits.flatMap((edit) => edit.added).filter(({ relation }) => relation === "visitPhotos");
  const removed = edits.flatMap((edit) => edit.removed).filter(({ relation }) => relation === "visitPhotos");
  const attached = await findAttached(tx, userId, added);
  const inTheWay = pairsOf(own).map(listedId);
  const replaced = await findUntouched(tx, userId, inTheWay, own);
  const gone = [...removed.map(({ rowId }) => rowId as string), ...replaced];
  return [
    ...added
      .filter((pair) => !attached.has(pairKey(pair)))
      .map((pair) => {
        const content = {
          photoId: pair.memberId,
          placeVisitId: pair.ownerId,
          attachedAt: now,
          caption: null,
        };
        return { ...decided, id: listedId(pair), deleted: false, content };
      }),
    ...gone.map((id) => ({ ...decided, id, deleted: true, content: null })),
  ];
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

import { getTableName, sql } from "drizzle-orm";
import type { Transaction } from "../database/client.ts";
import type { Outcome } from "./apply-changes.ts";
import type { Change } from "./change.ts";
import { keyOf } from "./conflicts.ts";
import type { Counter } from "./counter.ts";
import type { Content, Entity, Registry } from "./entity.ts";
import { giveNewVersions, namesRemovedLinks } from "./links.ts";
import { readShown, readStored } from "./rows.ts";

/*
 * A delta may leave fields empty that its phone knows nothing of, lists in it only add, and settings come in part. So an
 * accepted entity can hold more than its phone sent: what was kept, what others linked or set, and what answers fill in.
 * The phone has to be given that, too, or it would never hold what a fresh device gets (I9).
 */

const isEmpty = (value: unknown) => value === null || value === undefined;

/** Whether a value, or some member of an object, is there and was sent empty. */
function isMore(has: unknown, sent: unknown): boolean {
  if (isEmpty(has) || isEmpty(sent)) return !isEmpty(has);
  if (typeof has !== "object" || typeof sent !== "object") return false;
  return Object.entries(has as Content).some(([key, value]) => isMore(value, (sent as Content)[key]));
}

/** Whether an entity shows something that a change left empty, did not list, or has another of. */
function showsMore(entity: Entity, { content }: Change, shown: Content): boolean {
  const { unknownToPhones = [], filled = [], linkKeys = {} } = entity;
  const keys = new Set([...unknownToPhones, ...filled, ...Object.keys(linkKeys)]);
  return [...keys].some((key) => {
    const sent = content?.[key];
    const has = shown[key];
    if (Array.isArray(has)) return new Set(has).difference(new Set(sent as unknown[])).size > 0;
    return isMore(has, sent) || (!isEmpty(has) && entity.linkKeys?.[key] !== undefined && has !== sent);
  });
}

const mayShowMore = ({ change, decision }: Outcome) =>
  decision.agrees && change.content !== null && !change.encrypted;

/** The accepted entities, as `kind:id`, that hold more than their device sent, or not the links that it believed in. */
export async function findFuller(
  tx: Transaction,
  registry: Registry,
  userId: string,
  outcomes: readonly Outcome[],
): Promise<ReadonlySet<string>> {
  const fuller = new Set<string>();
  for (const entity of registry.filter(({ linkKeys, fixedId }) => linkKeys ?? fixedId)) {
    const asked = outcomes.filter((outcome) => outcome.change.kind === entity.kind && mayShowMore(outcome));
    const ids = asked.map(({ change }) => change.id);
    const found = await readStored(tx, entity, userId, ids);
    const shown = entity.present ? await readShown(tx, entity, userId, ids) : null;
    for (const { change, stored: before } of asked) {
      const stored = found.get(change.id);
      if (!stored || stored.deleted) continue;
      const content = shown?.get(change.id) ?? stored.content;
      // What answers fill in may be less, too, once something has been deleted: its phone believes in more.
      const revived = entity.filled !== undefined && before?.deleted === true;
      if (revived || namesRemovedLinks(entity, change, stored) || showsMore(entity, change, content))
        fuller.add(keyOf(change));
    }
  }
  return fuller;
}

/**
 * Brings entities that were written, and so are left out of the answer, into the next one: under a new version, above
 * the cursor that this answer gives. What was accepted without writing needs none: it is in this answer, if it is new.
 */
export async function bringLater(
  tx: Transaction,
  registry: Registry,
  userId: string,
  counter: Counter,
  written: readonly Change[],
): Promise<void> {
  for (const { kind, table } of registry) {
    const ids = [...new Set(written.filter((change) => change.kind === kind).map(({ id }) => id))];
    await giveNewVersions(tx, sql.raw(getTableName(table)), userId, ids, () => counter.next());
  }
}

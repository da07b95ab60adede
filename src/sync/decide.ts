import type { Change } from "./change.ts";
import type { Content, StandingLink } from "./entity.ts";

/** What the server has of an entity. */
export interface Stored {
  /** Version at which a device last changed the content. */
  readonly version: number;
  /** Version under which phones are given it; also grows when a link starts or stops to show. */
  readonly serverVersion: number;
  /** Who wrote the content last; null for the server itself. */
  readonly deviceId: string | null;
  readonly localVersion: number | null;
  readonly lastModified: string;
  readonly deleted: boolean;
  readonly encrypted: boolean;
  readonly content: Content;
  readonly links: readonly StandingLink[];
}

export type Resolution = "KEEP_LOCAL" | "KEEP_REMOTE" | "MERGE" | "MANUAL";
export type ConflictType = "CONCURRENT_MODIFICATION" | "DELETION_CONFLICT" | "VERSION_MISMATCH";

/** What the device was told before, and has not settled yet. */
export interface OpenConflict {
  readonly remoteVersion: number;
  /** `syncVersion` of the first answer that showed this remote side. */
  readonly reportedVersion: number | null;
  readonly localVersion: number | null;
}

/** Everything that a decision may depend on. Clocks are in it for suggestions and last-writer-wins only. */
export interface Case {
  readonly stored: Stored | null;
  readonly change: Change;
  /** The content that would be written: the change over what is kept of the stored one. */
  readonly merged: Content | null;
  /** The change says nothing that the stored one does not. */
  readonly same: boolean;
  readonly deviceId: string;
  readonly openConflict: OpenConflict | null;
  /** The cursor that came with the request; null outside a delta. */
  readonly lastSyncVersion: number | null;
}

/** A conflict to be kept; `settled` when there is nothing left to decide about it. */
export interface ConflictFound {
  readonly type: ConflictType;
  readonly suggestion: Resolution;
  readonly settled: Resolution | null;
}

export interface Decision {
  /** The device may forget about its change: it is stored, or says nothing new. */
  readonly accepted: boolean;
  /** The content to write; `null` is a tombstone, and undefined writes nothing. */
  readonly write?: Content | null;
  /** The time to write, where it is not the change's own. */
  readonly lastModified?: string;
  /** After this request the server has exactly what the device sent. */
  readonly agrees: boolean;
  readonly conflict?: ConflictFound;
}

export type Decide = (input: Case) => Decision;

const nothing: Decision = { accepted: true, agrees: true };
const late: Decision = { accepted: true, agrees: false };
const write = (input: Case): Decision => ({ accepted: true, agrees: true, write: input.merged });

/** Rule 5: the person has seen the other side and insists on their own. */
function insists({ stored, change, openConflict, lastSyncVersion }: Case): boolean {
  if (!stored || !openConflict || lastSyncVersion === null || openConflict.reportedVersion === null)
    return false;
  return (
    openConflict.remoteVersion === stored.version &&
    lastSyncVersion >= openConflict.reportedVersion &&
    change.localVersion !== null &&
    openConflict.localVersion !== null &&
    change.localVersion > openConflict.localVersion
  );
}

function conflictType(stored: Stored, change: Change): ConflictType {
  if (stored.deleted !== change.deleted) return "DELETION_CONFLICT";
  return change.base === null ? "VERSION_MISMATCH" : "CONCURRENT_MODIFICATION";
}

/** Phones apply KEEP_REMOTE without asking, so it is suggested only where the remote side is clearly the newer edit. */
function suggest(stored: Stored, change: Change): Resolution {
  if (stored.deleted !== change.deleted || stored.encrypted !== change.encrypted) return "MANUAL";
  if (change.lastModified === null || change.lastModified === stored.lastModified) return "MANUAL";
  return change.lastModified > stored.lastModified ? "KEEP_LOCAL" : "KEEP_REMOTE";
}

/** Rules 1 to 5, common to all kinds that can change; null when none of them applies. */
function decideCommon(input: Case): Decision | null {
  const { stored, change, same, deviceId } = input;
  // 1. Nothing is there yet.
  if (!stored) return change.deleted ? nothing : write(input);
  // 2. Nothing new is said. First of all, since it makes repeats safe.
  if (same) return nothing;
  // 3. Made from what is there, knowingly: even a tombstone may come alive again.
  if (change.base !== null && change.base >= stored.version) return write(input);
  if (change.strict) return null;
  // 4. Nobody else has touched it since this device wrote it: an earlier answer was lost.
  if (stored.deviceId === deviceId) {
    const older =
      change.localVersion !== null &&
      stored.localVersion !== null &&
      change.localVersion < stored.localVersion;
    return older ? late : write(input);
  }
  // 5. A knowing repeat.
  return insists(input) ? write(input) : null;
}

/** The rules for visits, trips and photos: a change that was made without knowing of another is a conflict. */
export const decideVersioned: Decide = (input) => {
  const decided = decideCommon(input);
  if (decided || !input.stored) return decided ?? nothing;
  const { stored, change } = input;
  const suggestion = suggest(stored, change);
  const settled = suggestion === "KEEP_REMOTE" ? suggestion : null;
  return {
    accepted: false,
    agrees: false,
    conflict: { type: conflictType(stored, change), suggestion, settled },
  };
};

/** Facts are never in conflict: the first write wins, a repeat is a duplicate, and a deletion always wins. */
export const decideFact: Decide = ({ stored, change, same }) => {
  if (!stored) return change.deleted ? nothing : { ...nothing, write: change.content };
  if (change.deleted) return stored.deleted ? nothing : { ...nothing, write: null };
  // What is encrypted from now on must not stand in clear any longer.
  if (change.encrypted && !stored.encrypted && !stored.deleted) return { ...nothing, write: change.content };
  // Agrees only with what stands: else the device must be told of that.
  return same ? nothing : late;
};

/** Whether a side was written later; of two at the same time the greater device id wins, so that all agree. */
export function isLater(
  time: string,
  deviceId: string,
  otherTime: string,
  otherDeviceId: string | null,
): boolean {
  return time === otherTime ? deviceId > (otherDeviceId ?? "") : time > otherTime;
}

/**
 * The time that a knowing write is kept under: later than what it replaces, also by a clock that is behind. A late
 * repeat of what it replaced would win otherwise.
 */
export function laterThan(replaced: string, given: string | null): string {
  const next = new Date(Date.parse(replaced) + 1).toISOString();
  return given !== null && given > next ? given : next;
}

/** Last writer wins, by the phones' own clocks; the loser is kept as a settled conflict. */
export const decideLastWriter: Decide = (input) => {
  const decided = decideCommon(input);
  const { stored, change, deviceId } = input;
  if (!stored) return decided ?? nothing;
  if (decided) {
    return decided.write === undefined
      ? decided
      : { ...decided, lastModified: laterThan(stored.lastModified, change.lastModified) };
  }
  const type = conflictType(stored, change);
  if (change.strict)
    return { accepted: false, agrees: false, conflict: { type, suggestion: "KEEP_REMOTE", settled: null } };
  if (
    change.lastModified !== null &&
    isLater(change.lastModified, deviceId, stored.lastModified, stored.deviceId)
  ) {
    return { ...write(input), conflict: { type, suggestion: "KEEP_LOCAL", settled: "KEEP_LOCAL" } };
  }
  return {
    accepted: false,
    agrees: false,
    conflict: { type, suggestion: "KEEP_REMOTE", settled: "KEEP_REMOTE" },
  };
};

import { cutToMillis, fromWire, KINDS, type Kind, toSeal } from "./phone-content.ts";
import type { Outgoing, PhoneSelf } from "./phone-request.ts";
import type { PhoneStore, SettingsContent } from "./phone-store.ts";
import type { DeltaAnswer, RemoteEntity, WireConflict } from "./wire.ts";

export const KIND_OF: Record<Exclude<WireConflict["entityType"], "SETTINGS">, Kind> = {
  LOCATION: "locations",
  PLACE_VISIT: "placeVisits",
  TRIP: "trips",
  PHOTO: "photos",
};

/** A conflict that only the person can settle. */
export interface OpenConflict {
  conflictId: string | null;
  kind: Kind;
  id: string;
  conflictType: WireConflict["conflictType"];
  suggested: WireConflict["suggestedResolution"];
  mine: Record<string, string>;
  theirs: Record<string, string>;
  deletedHere: boolean;
}

/** Writes an answer into the phone's database, in the app's order, and returns what the person has to decide. */
export function applyAnswer(
  store: PhoneStore,
  outgoing: Outgoing,
  answer: DeltaAnswer,
  self: PhoneSelf,
): OpenConflict[] {
  if (self.view === "new") noteEpoch(store, answer);
  for (const kind of KINDS) {
    markAccepted(store, kind, outgoing, answer);
    for (const refusal of answer.rejected[kind]) {
      const row = store.get(kind, refusal.id);
      if (row && refusal.reason === "INVALID") Object.assign(row, { refused: true, dirty: false });
    }
  }
  const open = answer.conflicts.flatMap((conflict) => applyConflict(store, conflict));
  for (const kind of KINDS) {
    for (const entity of answer.remoteChanges[kind]) adoptRemote(store, kind, entity, answer, self);
    for (const id of answer.remoteChanges.deletedIds[kind]) store.drop(kind, id);
  }
  applySettings(store, outgoing, answer);
  store.cursor = answer.syncVersion;
  if (!answer.hasMore) store.endResync();
  return open.filter((conflict) => store.get(conflict.kind, conflict.id)?.dirty);
}

function noteEpoch(store: PhoneStore, answer: DeltaAnswer): void {
  if (answer.resyncRequired) store.beginResync();
  store.epoch = answer.syncEpoch ?? store.epoch;
}

function markAccepted(store: PhoneStore, kind: Kind, outgoing: Outgoing, answer: DeltaAnswer): void {
  for (const id of answer.accepted[kind]) {
    const row = store.get(kind, id);
    const sent = outgoing.sent[kind].get(id);
    if (!row || !sent) continue;
    row.serverVersion = answer.syncVersion;
    // Edited while the request was under way: the newer state still has to go.
    if (row.localVersion !== sent.localVersion) continue;
    row.dirty = false;
    if (row.deleted) store.drop(kind, id);
  }
}

/** KEEP_REMOTE and MERGE are applied without asking; the remote side comes with the remote changes. */
function applyConflict(store: PhoneStore, conflict: WireConflict): OpenConflict[] {
  if (conflict.entityType === "SETTINGS") return [];
  const kind = KIND_OF[conflict.entityType];
  const row = store.get(kind, conflict.entityId);
  if (!row) return [];
  const suggested = conflict.suggestedResolution;
  if (suggested === "KEEP_REMOTE" || suggested === "MERGE") {
    Object.assign(row, { dirty: false, deleted: false });
    return [];
  }
  return [
    {
      conflictId: conflict.conflictId ?? null,
      kind,
      id: conflict.entityId,
      conflictType: conflict.conflictType,
      suggested,
      mine: conflict.localVersion,
      theirs: conflict.remoteVersion,
      deletedHere: row.deleted,
    },
  ];
}

function adoptRemote(
  store: PhoneStore,
  kind: Kind,
  entity: RemoteEntity,
  answer: DeltaAnswer,
  self: PhoneSelf,
): void {
  const serverVersion = entity.serverVersion ?? answer.syncVersion;
  if (store.isNewerDuringResync(kind, entity.id, serverVersion)) return;
  const sealed = entity.encryptedData;
  const fields = sealed === undefined ? { ...entity } : { ...self.cipher?.open(sealed), id: entity.id };
  const lastModified = cutToMillis(entity.lastModified ?? answer.syncTimestamp);
  const localVersion = entity.localVersion ?? 0;
  const content = fromWire(kind, fields, self.view);
  // Where rows are sealed nobody looks for pictures: a row that is still in clear will lose its own.
  const kept = self.cipher ? toSeal(kind, content, self.view) : content;
  store.adopt(kind, kept, { serverVersion, lastModified, localVersion });
}

function applySettings(store: PhoneStore, outgoing: Outgoing, answer: DeltaAnswer): void {
  const mine = store.settings;
  if (mine && outgoing.settingsVersion !== null) {
    mine.serverVersion = answer.syncVersion;
    if (mine.localVersion === outgoing.settingsVersion) mine.dirty = false;
  }
  const remote = answer.remoteChanges.settings;
  if (!remote || store.isNewerSettingDuringResync(remote.lastModified ?? "")) return;
  const { serverVersion, lastModified, ...groups } = remote;
  const given = Object.entries(groups).filter(([, group]) => group !== null && group !== undefined);
  const adopted = { ...mine?.groups, ...Object.fromEntries(given) } as SettingsContent;
  if (JSON.stringify(mine?.groups) !== JSON.stringify(adopted)) store.revision++;
  store.settings = {
    groups: adopted,
    localVersion: mine?.localVersion ?? 0,
    serverVersion: serverVersion ?? answer.syncVersion,
    lastModified: lastModified ?? answer.syncTimestamp,
    dirty: false,
  };
}

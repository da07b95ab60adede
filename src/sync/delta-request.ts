import { z } from "zod";
import { type Change, type InvalidItem, isInvalid, readChange } from "./change.ts";
import type { Registry } from "./entity.ts";
import { maybe, version } from "./schemas.ts";

/** Most changes in one answer, and how many there are when the phone does not say. */
export const largestPage = 20_000;

const list = maybe(z.array(z.unknown(), "must be a list"));

/** The frame of a delta. Items are read one by one, so that a bad one is rejected alone. */
export const deltaSchema = z.object({
  deviceId: z.guid("must be a UUID").toLowerCase(),
  lastSyncVersion: maybe(version).transform((value) => value ?? 0),
  isEncrypted: maybe(z.boolean("must be true or false")).transform((value) => value ?? false),
  limit: maybe(
    z.number("must be a number").int("must be a whole number").min(1, "must be at least 1"),
  ).transform((value) => Math.min(value ?? largestPage, largestPage)),
  syncEpoch: maybe(z.string("must be a string").max(64)),
  localChanges: maybe(
    z.object({
      locations: list,
      placeVisits: list,
      trips: list,
      photos: list,
      photoAttachments: list,
      tripDays: list,
      settings: maybe(z.record(z.string(), z.unknown(), "must be an object")),
    }),
  ),
});
export type DeltaFrame = z.infer<typeof deltaSchema>;

/** A delta, checked and normalised outside any transaction. */
export interface DeltaRequest {
  readonly lastSyncVersion: number;
  readonly encrypted: boolean;
  readonly limit: number;
  readonly syncEpoch: string | null;
  readonly changes: readonly Change[];
  readonly invalid: readonly InvalidItem[];
}

/** Reads the items of a delta, kind by kind. */
export function readDelta(registry: Registry, frame: DeltaFrame): DeltaRequest {
  const { lastSyncVersion, isEncrypted, limit, syncEpoch, localChanges } = frame;
  const items = registry.flatMap((entity) => {
    const given = localChanges?.[entity.kind] ?? [];
    const list = Array.isArray(given) ? given : [given];
    return list.map((raw) => {
      const sealed = isEncrypted && (!entity.fixedId || "encryptedData" in (raw as object));
      return readChange(entity, raw, { encrypted: sealed, fixedId: entity.fixedId });
    });
  });
  return {
    lastSyncVersion,
    encrypted: isEncrypted,
    limit,
    syncEpoch,
    changes: items.filter((item): item is Change => !isInvalid(item)),
    invalid: items.filter(isInvalid),
  };
}

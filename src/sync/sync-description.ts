import { z } from "zod";
import type { Chapter } from "../api/operation.ts";
import { ana, firstPage, ids, later, phone, tablet } from "../api/story.ts";
import { count, id, instant, named, pagination, uuid, version } from "../api/vocabulary.ts";
import { conflict } from "./conflict-description.ts";
import { deltaAnswer, deltaAnswers, deltaBody, deltaExamples, exampleConflict } from "./delta-description.ts";
import { kinds } from "./entity.ts";
import { resolveSchema } from "./resolve.ts";
import { conflictQuery } from "./routes.ts";

const status = named(
  "SyncStatus",
  z.strictObject({
    userId: uuid,
    lastSyncTimestamp: instant.describe("When the account was made, before its first sync."),
    syncVersion: version.describe("This device's own safe cursor."),
    latestVersion: version.describe("The account's newest version."),
    syncEpoch: uuid,
    deviceSyncInfo: z.array(
      z.strictObject({ deviceId: uuid, deviceName: z.string(), lastSyncAt: instant, syncVersion: version }),
    ),
    pendingChanges: z.strictObject(Object.fromEntries(kinds.map((kind) => [kind, count]))),
  }),
);

const resolved = named(
  "ConflictResolved",
  z.strictObject({
    success: z.literal(true),
    syncVersion: version.describe("This device's own safe cursor."),
    acceptedEntity: z.strictObject({ id, serverVersion: version, syncTimestamp: instant }),
  }),
);

const pending = Object.fromEntries(kinds.map((kind) => [kind, 0]));
const progress = ({ deviceId, deviceName }: typeof phone) => ({
  deviceId,
  deviceName,
  lastSyncAt: later,
  syncVersion: 12,
});

export const syncChapter: Chapter = {
  tag: "Sync",
  description: "What phones exchange.",
  operations: {
    readSyncStatus: {
      summary: "How far the account and its devices have come",
      access: "account",
      answers: {
        200: {
          description: "The state of sync.",
          schema: status,
          examples: {
            rest: {
              userId: ana.userId,
              lastSyncTimestamp: later,
              syncVersion: 12,
              latestVersion: 12,
              syncEpoch: ids.syncEpoch,
              deviceSyncInfo: [progress(phone), progress(tablet)],
              pendingChanges: pending,
            },
          },
        },
      },
    },
    exchangeDelta: {
      summary: "Sends a device's changes, and takes those of others",
      description:
        "Items are read one by one: a bad one is rejected alone. With `isEncrypted`, lists hold envelopes. At most `limit` changes are answered, and never more than 20,000.",
      access: "account",
      body: { schema: deltaBody, examples: deltaExamples },
      answers: {
        200: {
          description: "What became of them, and what changed elsewhere.",
          schema: deltaAnswer,
          examples: deltaAnswers,
        },
      },
    },
    resolveConflict: {
      summary: "Settles a conflict as a person decided",
      description:
        "`MERGE` and `MANUAL` need `resolvedEntity`: the keys that it has, over the remote side. Values may be text. The same again is answered the same again; another way is a 409, as is an entity that has moved since.",
      access: "account",
      body: {
        schema: named("Resolve", resolveSchema),
        examples: {
          merge: {
            conflictId: ids.conflict,
            resolution: "MERGE",
            resolvedEntity: { name: "Lisbon and Belém", countries: '["PT"]' },
          },
        },
      },
      answers: {
        200: {
          description: "It is settled.",
          schema: resolved,
          examples: {
            merge: {
              success: true,
              syncVersion: 12,
              acceptedEntity: { id: ids.trip, serverVersion: 13, syncTimestamp: later },
            },
          },
        },
      },
      errors: ["NOT_FOUND", "VERSION_CONFLICT", "CONFLICT"],
    },
    listConflicts: {
      summary: "Every conflict, newest first",
      description: "Both sides are kept for at least 90 days after it was settled.",
      access: "account",
      query: conflictQuery,
      asked: { status: "resolved" },
      answers: {
        200: {
          description: "A page.",
          schema: named("Conflicts", z.strictObject({ conflicts: z.array(conflict), pagination })),
          examples: {
            one: {
              conflicts: [
                {
                  ...exampleConflict,
                  deviceId: tablet.deviceId,
                  status: "resolved",
                  resolution: "MERGE",
                  createdAt: later,
                  resolvedAt: later,
                },
              ],
              pagination: firstPage(100),
            },
          },
        },
      },
    },
  },
};

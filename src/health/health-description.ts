import { z } from "zod";
import type { Chapter } from "../api/operation.ts";
import { later } from "../api/story.ts";
import { instant, named } from "../api/vocabulary.ts";

const status = z
  .enum(["ok", "degraded", "unavailable"])
  .describe("`degraded`: phones can sync, and something else needs a look.");
const health = named(
  "Health",
  z.strictObject({
    status,
    timestamp: instant,
    components: z
      .record(
        z.string(),
        z.looseObject({ status: z.string(), latencyMs: z.number().min(0).describe("Milliseconds.") }),
      )
      .describe("How it stands with each part; some say more of themselves."),
  }),
);
const alive = named("Alive", z.strictObject({ status: z.literal("ok"), timestamp: instant }));

const fine = {
  status: "ok",
  timestamp: later,
  components: {
    database: { status: "ok", latencyMs: 0.8 },
    storage: { status: "ok", latencyMs: 1.4 },
    mail: { status: "off", latencyMs: 0.1 },
    jobs: { status: "ok", latencyMs: 1.2 },
    backup: { status: "none", newest: null, lastProven: null, latencyMs: 0.1 },
    disk: { status: "ok", latencyMs: 0.1 },
  },
};
const away = {
  status: "unavailable",
  timestamp: later,
  components: { database: { status: "unavailable", latencyMs: 2000 } },
};
const ready = { ...fine, components: { database: fine.components.database } };
const report = (good: object) => ({
  200: { description: "It does its work.", schema: health, examples: { fine: good } },
  503: { description: "It cannot.", schema: health, examples: { away }, headers: ["Retry-After"] },
});

export const healthChapter: Chapter = {
  tag: "Health",
  description: "For people and probes. Over plain HTTP, too: there are no secrets in it.",
  operations: {
    readHealth: { summary: "How it stands with the server", access: "anyone", answers: report(fine) },
    readReadiness: { summary: "Whether it can do its work", access: "anyone", answers: report(ready) },
    readLiveness: {
      summary: "Whether it runs at all",
      access: "anyone",
      answers: {
        200: {
          description: "It does.",
          schema: alive,
          examples: { fine: { status: "ok", timestamp: later } },
        },
      },
    },
  },
};

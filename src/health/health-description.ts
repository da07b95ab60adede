import { z } from "zod";
import type { Chapter } from "../api/operation.ts";
import { later } from "../api/story.ts";
import { instant, named } from "../api/vocabulary.ts";

const status = z.enum(["ok", "unavailable"]);
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
    backup: { status: "none", newest: null, lastProven: null, latencyMs: 0.1 },
  },
};
const away = {
  status: "unavailable",
  timestamp: later,
  components: { database: { status: "unavailable", latencyMs: 2000 } },
};
const report = {
  200: { description: "It does its work.", schema: health, examples: { fine } },
  503: { description: "It cannot.", schema: health, examples: { away }, headers: ["Retry-After"] },
};

export const healthChapter: Chapter = {
  tag: "Health",
  description: "For people and probes. Over plain HTTP, too: there are no secrets in it.",
  operations: {
    readHealth: { summary: "How it stands with the server", access: "anyone", answers: report },
    readReadiness: { summary: "Whether it can do its work", access: "anyone", answers: report },
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

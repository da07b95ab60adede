import { z } from "zod";
import type { Chapter } from "../api/operation.ts";

export const metricsChapter: Chapter = {
  tag: "Metrics",
  description: "For Prometheus; there is nothing at that address unless they are switched on.",
  operations: {
    readMetrics: {
      summary: "What the server has done, and how it is",
      description:
        "For whom Cloudflare Access has let in, holders of `METRICS_TOKEN` or of a service token; without these, for programs on the same machine.",
      access: "anyone",
      answers: {
        200: { description: "In Prometheus' text format.", schema: z.string(), mediaType: "text/plain" },
      },
      errors: ["UNAUTHORIZED", "FORBIDDEN"],
    },
  },
};

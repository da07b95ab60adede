import { Elysia } from "elysia";
import type { Context } from "../context.ts";
import { described } from "../http/described.ts";
import { letInToMetrics } from "../http/guards.ts";

/** Metrics for Prometheus, where they are switched on; else there is nothing at that address. */
export function metricsRoutes(context: Pick<Context, "config" | "metrics" | "access" | "requests">) {
  const { config, metrics } = context;
  const routes = new Elysia({ name: "metrics" });
  if (!metrics) return routes;
  return routes.use(letInToMetrics(context)).get(
    config.metricsPath,
    async () => {
      const headers = { "Content-Type": metrics.mediaType, "Cache-Control": "no-store" };
      return new Response(await metrics.scrape(), { headers });
    },
    described("readMetrics"),
  );
}

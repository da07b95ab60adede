import { Elysia } from "elysia";
import type { Context } from "../context.ts";
import { described } from "../http/described.ts";
import { checkHealth } from "./health.ts";

/** Health for people and probes: `/health` in detail, `/health/live` (the process), `/health/ready` (its database). */
export function healthRoutes({ db, backups }: Pick<Context, "db" | "backups">) {
  const report = async () => {
    const health = await checkHealth(db, backups);
    const headers = { "Cache-Control": "no-store", ...(health.status !== "ok" && { "Retry-After": "5" }) };
    return Response.json(health, { status: health.status === "ok" ? 200 : 503, headers });
  };
  return new Elysia({ name: "health" })
    .get("/health", report, described("readHealth"))
    .get("/health/ready", report, described("readReadiness"))
    .get(
      "/health/live",
      () => ({ status: "ok", timestamp: new Date().toISOString() }),
      described("readLiveness"),
    );
}

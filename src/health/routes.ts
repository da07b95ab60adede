import { Elysia } from "elysia";
import type { Context } from "../context.ts";
import { described } from "../http/described.ts";
import type { Health } from "./health.ts";

/** 503 only when phones cannot sync: whoever restarts a server for any other reason makes it worse. */
function toResponse(health: Health): Response {
  const isAway = health.status === "unavailable";
  const headers = { "Cache-Control": "no-store", ...(isAway && { "Retry-After": "5" }) };
  return Response.json(health, { status: isAway ? 503 : 200, headers });
}

/** Health for people and probes: `/health` in detail, `/health/live` (the process), `/health/ready` (its database). */
export function healthRoutes({ health }: Pick<Context, "health">) {
  return new Elysia({ name: "health" })
    .get("/health", async () => toResponse(await health.report()), described("readHealth"))
    .get("/health/ready", async () => toResponse(await health.readiness()), described("readReadiness"))
    .get(
      "/health/live",
      () => ({ status: "ok", timestamp: new Date().toISOString() }),
      described("readLiveness"),
    );
}

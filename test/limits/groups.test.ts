import { afterAll, expect, test } from "bun:test";
import { createApp } from "../../src/app.ts";
import { groupOf } from "../../src/limits/groups.ts";
import { limitHeaders, type Standing, tightest, tooMany } from "../../src/limits/standing.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

const server: TestServer = await startTestServer();
afterAll(() => server.stop());

test("routes that are limited otherwise than all others", () => {
  const routes = createApp(server.context).routes.map(({ method, path }) => ({ method, route: path }));
  const special = routes.filter((call) => groupOf(call) !== "default");
  const told = special.map((call) => `${groupOf(call)}: ${call.method} ${call.route.replace(/\/$/, "")}`);
  expect(told.sort()).toEqual([
    "auth: DELETE /api/v1/user",
    "auth: POST /api/v1/auth/login",
    "auth: POST /api/v1/auth/refresh",
    "auth: POST /api/v1/auth/register",
    "auth: POST /api/v1/auth/reset-password",
    "auth: POST /api/v1/auth/reset-password-request",
    "auth: PUT /api/v1/user/password",
    "locationBatch: POST /api/v1/locations/batch",
    "photoUpload: POST /api/v1/photos",
    "photoUpload: POST /api/v1/photos/upload",
    "sync: GET /api/v1/sync/conflicts",
    "sync: GET /api/v1/sync/status",
    "sync: POST /api/v1/sync/delta",
    "sync: POST /api/v1/sync/resolve-conflict",
  ]);
});

const standing = (more: Partial<Standing>): Standing => ({
  limit: 10,
  remaining: 5,
  resetsAt: 1_000_000,
  exceeded: false,
  ...more,
});

test("of several limits the tightest is told of", () => {
  const loose = standing({ remaining: 9 });
  const tight = standing({ remaining: 0, limit: 3 });
  const long = standing({ remaining: 0, limit: 3, resetsAt: 2_000_000 });
  const refusing = standing({ remaining: 0, exceeded: true });
  const refusingLonger = standing({ remaining: 0, exceeded: true, resetsAt: 3_000_000 });
  expect(tightest([])).toBeUndefined();
  expect(tightest([loose, tight])).toBe(tight);
  expect(tightest([tight, long, loose])).toBe(long);
  expect(tightest([long, refusing])).toBe(refusing);
  expect(tightest([refusing, long, refusingLonger])).toBe(refusingLonger);
});

test("times are whole seconds, rounded so that the wait is long enough", () => {
  const soon = standing({ resetsAt: Date.now() + 20_001, remaining: 0, exceeded: true });
  expect(limitHeaders(soon)["X-RateLimit-Reset"]).toBe(String(Math.ceil(soon.resetsAt / 1000)));
  expect(tooMany(soon)).toMatchObject({
    code: "RATE_LIMIT_EXCEEDED",
    extras: { headers: { "Retry-After": "21" } },
  });
  expect(tooMany(standing({ resetsAt: Date.now() - 5 })).extras.headers?.["Retry-After"]).toBe("1");
});

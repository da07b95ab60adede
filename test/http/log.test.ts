import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { createLog } from "../../src/log.ts";
import { type Person, register, sendLogin } from "../accounts/people.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

const lines: string[] = [];
const log = createLog({ level: "trace", format: "json", destination: { write: (line) => lines.push(line) } });

let server: TestServer;
let ada: Person;
beforeAll(async () => {
  server = await startTestServer({}, { log });
  ada = await register(server);
});
afterAll(() => server.stop());

const ask = (method: string, path: string, body?: unknown) =>
  server.request(method, path, {
    token: ada.accessToken,
    deviceId: ada.deviceId,
    ...(body !== undefined && { body }),
  });
const run = (statement: string) => server.context.db.execute(sql.raw(statement));

/** What nobody but its owner may read, in no line and under no key. */
const canaries = [
  "canary",
  "47.1234567",
  "8.7654321",
  "47,1234567",
  "correct horse battery",
  "MDEyMzQ1Njc4OWFi:Y2FuYXJ5",
];
const where = { latitude: 47.1234567, longitude: 8.7654321 };
const at = "2025-11-17T10:00:00.000Z";

const visit = (id: string, more: object = {}) => ({
  id,
  location: where,
  placeName: "canary place",
  address: "canary street",
  category: "canary kind",
  arrivalTime: at,
  confidence: 1,
  notes: "canary note",
  ...more,
});
const trip = (id: string) => ({ id, name: "canary trip", startDate: at, endDate: at, notes: "canary note" });
const point = (id: string) => ({ id, timestamp: at, ...where, accuracy: 5, provider: "canary" });
const photo = (id: string) => ({ id, timestamp: at, location: where, caption: "canary caption" });
const delta = (localChanges: object, more: object = {}) => ({
  deviceId: ada.deviceId,
  lastSyncVersion: 0,
  localChanges,
  ...more,
});

/** Every call that carries what a person wrote, taken, refused and failing. */
async function writeEverything(round: string) {
  const answers = [
    await ask("POST", "/place-visits", visit(`v${round}`)),
    await ask("POST", "/place-visits", visit(`v${round}`, { notes: "canary other" })),
    await ask("POST", "/place-visits", visit(`w${round}`, { confidence: "canary" })),
    await ask("PUT", `/place-visits/v${round}`, { notes: "canary edit", expectedVersion: 0 }),
    await ask("POST", "/trips", trip(`t${round}`)),
    await ask("PUT", `/trips/t${round}/days/2025-11-17`, { notes: "canary day" }),
    await ask("POST", "/locations/batch", {
      deviceId: ada.deviceId,
      locations: [point(`l${round}`), "canary"],
    }),
    await ask("GET", "/place-visits?category=canary&startTime=canary"),
    await ask("POST", "/photos/attachments", {
      attachments: [{ id: `a${round}`, photoId: "p", placeVisitId: "v", attachedAt: at, caption: "canary" }],
    }),
    await ask("PUT", "/settings", { appearanceSettings: { accentColor: "canary" }, expectedVersion: 0 }),
    await ask(
      "POST",
      "/sync/delta",
      delta({
        placeVisits: [visit(`d${round}`), { id: "canary bad" }],
        photos: [photo(`p${round}`)],
        trips: [trip(`x${round}`)],
      }),
    ),
    await ask(
      "POST",
      "/sync/delta",
      delta(
        {
          trips: [
            { id: `e${round}`, encryptedData: "MDEyMzQ1Njc4OWFi:Y2FuYXJ5:Y2FuYXJ5", encryptionVersion: 1 },
          ],
        },
        { isEncrypted: true },
      ),
    ),
    await ask("POST", "/trips", '{"name":"canary'),
    await ask("GET", "/sync/conflicts"),
    await ask("GET", "/place-visits"),
    await sendLogin(server, { email: "canary@example.org", password: "canary password" }),
  ];
  return answers.map(({ status }) => status);
}

function expectNoSecrets(since: number): void {
  const written = lines.slice(since).join("");
  for (const canary of [...canaries, ada.email, ada.accessToken, ada.refreshToken]) {
    expect(written).not.toContain(canary);
  }
}

describe("what people wrote stays out of the log", () => {
  test("when all goes well, and when they are refused", async () => {
    const since = lines.length;
    const statuses = await writeEverything("1");
    expect(new Set(statuses)).toEqual(new Set([200, 201, 400, 401, 409]));
    expect(lines.length - since).toBe(statuses.length);
    expectNoSecrets(since);
  });

  test.each([
    [
      "a value that does not convert (22P02)",
      "ADD CONSTRAINT broken CHECK (notes::integer > 0) NOT VALID",
      "DROP CONSTRAINT broken",
    ],
    [
      "a value too long (22001)",
      "ALTER COLUMN notes TYPE varchar(2) USING left(notes, 2)",
      "ALTER COLUMN notes TYPE text",
    ],
    [
      "a broken check (23514)",
      "ADD CONSTRAINT broken CHECK (notes IS NULL) NOT VALID",
      "DROP CONSTRAINT broken",
    ],
    ["a missing column (42703)", "RENAME COLUMN notes TO notes_away", "RENAME COLUMN notes_away TO notes"],
    ["a missing table (42P01)", "RENAME TO away", ""],
  ])("when the database fails with %s", async (what, breaks, mends) => {
    const since = lines.length;
    const tables = ["place_visits", "trips", "trip_days"];
    for (const table of tables) await run(`ALTER TABLE ${table} ${breaks.replace("away", `${table}_away`)}`);
    const statuses = await writeEverything(what.replace(/\W/g, ""));
    for (const table of tables) {
      await run(
        mends
          ? `ALTER TABLE ${table} ${mends.replace("away", `${table}_away`)}`
          : `ALTER TABLE ${table}_away RENAME TO ${table}`,
      );
    }
    expect(statuses.filter((status) => status === 500).length).toBeGreaterThanOrEqual(3);
    const failures = lines.slice(since).filter((line) => line.includes('"level":"error"'));
    expect(failures.length).toBe(statuses.filter((status) => status === 500).length);
    expectNoSecrets(since);
    expect((await ask("GET", "/place-visits")).status).toBe(200);
  });

  test("when the signed-in session cannot be looked up", async () => {
    const since = lines.length;
    await run("ALTER TABLE devices RENAME TO devices_away");
    expect((await ask("GET", "/trips")).status).toBe(500);
    await run("ALTER TABLE devices_away RENAME TO devices");
    expectNoSecrets(since);
  });
});

describe("every line", () => {
  test("is one JSON object, with a level and a time", () => {
    expect(lines.length).toBeGreaterThan(80);
    for (const line of lines) {
      expect(line.indexOf("\n")).toBe(line.length - 1);
      const { level, time, msg } = JSON.parse(line);
      expect(["info", "warn", "error"]).toContain(level);
      expect(new Date(time).toISOString()).toBe(time);
      expect(msg).toBeString();
    }
  });

  test("of a request says which, whose, what and how long, and nothing more", async () => {
    const since = lines.length;
    const answer = await ask("GET", "/trips?startDate=2025-01-01");
    const [line, ...more] = lines.slice(since).map((text) => JSON.parse(text));
    expect(more).toEqual([]);
    expect(line).toEqual({
      level: "info",
      time: expect.any(String),
      requestId: answer.headers.get("x-request-id"),
      accountId: ada.userId,
      method: "GET",
      path: "/api/v1/trips",
      route: "/api/v1/trips",
      status: 200,
      durationMs: expect.any(Number),
      msg: "request",
    });
  });

  test("of a request names its route, whatever the path, and none where there is none", async () => {
    const since = lines.length;
    await ask("GET", "/trips/some-trip/days/2025-01-01");
    await ask("DELETE", "/trips/some-trip/");
    await server.request("GET", "/place-visits/somewhere");
    await ask("PATCH", "/trips/some-trip");
    await ask("GET", "/nothing/at/all");
    const routes = lines.slice(since).map((line) => JSON.parse(line).route);
    expect(routes).toEqual([
      "/api/v1/trips/:id/days/:date",
      "/api/v1/trips/:id",
      "/api/v1/place-visits/:id",
      undefined,
      undefined,
    ]);
  });

  test("of an error names the request, its route, whose it was and where it happened", async () => {
    const errors = lines.map((line) => JSON.parse(line)).filter(({ level }) => level === "error");
    expect(errors.some(({ accountId }) => accountId === ada.userId)).toBe(true);
    for (const { requestId, route, err } of errors) {
      expect(requestId).toBeString();
      expect(route).toStartWith("/api/v1/");
      expect(err.cause.code).toMatch(/^[0-9A-Z]{5}$/);
      expect(err.stack).toContain("at ");
    }
  });
});

test("secret keys are blanked wherever they are logged", () => {
  const written: string[] = [];
  const own = createLog({
    level: "info",
    format: "json",
    destination: { write: (line) => written.push(line) },
  });
  const secrets = {
    password: "canary",
    token: "canary",
    email: "canary",
    latitude: 1.5,
    accessToken: "canary",
  };
  own.info(secrets, "flat");
  own.info({ body: secrets }, "nested");
  expect(written.join("")).not.toMatch(/canary|1\.5/);
});

test("lines for people hold the same", () => {
  const written: string[] = [];
  const own = createLog({
    level: "info",
    format: "pretty",
    destination: { write: (line) => written.push(line) },
  });
  own.warn({ requestId: "r1", err: new Error("broken"), email: "canary" }, "request failed");
  expect(written.join("")).toMatch(
    /^\d\d:\d\d:\d\d\.\d{3} WARN {2}request failed requestId=r1 .*broken.*\n$/,
  );
  expect(written.join("")).not.toContain("canary");
});

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import type { Database } from "../../src/database/client.ts";
import { readStatistics, StatisticsReader } from "../../src/journal/statistics.ts";
import { login, type Person, register } from "../accounts/people.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

let server: TestServer;
let db: Database;
beforeAll(async () => {
  server = await startTestServer();
  db = server.context.db;
});
afterAll(() => server.stop());

interface Point {
  /** Hours after an arbitrary start. */
  at: number;
  lat: number;
  lon: number;
  accuracy?: number | null;
  deleted?: boolean;
}

let ids = 0;

/** Writes points as the sync engine would, but without raising the account's counter. */
async function addPoints(who: Person, points: readonly Point[]): Promise<void> {
  for (const { at, lat, lon, accuracy = 10, deleted = false } of points) {
    await db.execute(sql`
      INSERT INTO location_samples (user_id, id, device_id, server_version, edited_version, timestamp, latitude,
        longitude, accuracy, deleted_at)
      VALUES (${who.userId}, ${`sample_${++ids}`}, ${who.deviceId}, 1, 1,
        timestamptz '2025-11-17T00:00:00Z' + ${at}::double precision * interval '1 hour', ${lat}, ${lon}, ${accuracy},
        ${deleted ? sql`now()` : null})`);
  }
}

async function distance(points: readonly Point[]): Promise<number> {
  const person = await register(server);
  await addPoints(person, points);
  return (await readStatistics(db, person.userId)).totalDistance;
}

async function countries(points: readonly [number, number][]): Promise<number> {
  const person = await register(server);
  await addPoints(
    person,
    points.map(([lat, lon], at) => ({ at, lat, lon })),
  );
  return (await readStatistics(db, person.userId)).countriesVisited;
}

/** A degree of a great circle of the mean earth: pi / 180 * 6,371,008.8 m. */
const degree = 111_195.0797;

describe("distance", () => {
  test("Land's End to John o' Groats is 968.9 km as the crow flies", async () => {
    // Source of the figure: Movable Type Scripts, "Calculate distance between latitude/longitude points".
    const landsEnd = { at: 0, lat: 50 + 3 / 60 + 59 / 3600, lon: -(5 + 42 / 60 + 53 / 3600) };
    const johnOGroats = { at: 1, lat: 58 + 38 / 60 + 38 / 3600, lon: -(3 + 4 / 60 + 12 / 3600) };
    expect((await distance([landsEnd, johnOGroats])) / 1000).toBeCloseTo(968.9, 1);
  });

  test("adds up consecutive points by time, in whatever order they came", async () => {
    const track = [0, 1, 3, 2].map((lon) => ({ at: lon, lat: 0, lon }));
    expect(await distance(track)).toBeCloseTo(3 * degree, 0);
  });

  test("crosses the date line the short way, and survives opposite ends of the earth", async () => {
    const line = [
      { at: 0, lat: 0, lon: 179.5 },
      { at: 1, lat: 0, lon: -179.5 },
    ];
    expect(await distance(line)).toBeCloseTo(degree, 0);
    // Here rounding lifts the argument of the arc sine above 1.
    const ends = [
      { at: 0, lat: 65.46788706187328, lon: 118.48522251580962 },
      { at: 1, lat: -65.4678870292456, lon: -61.51477752182077 },
    ];
    expect(await distance(ends)).toBeCloseTo(180 * degree, 0);
  });

  test("leaves out points worse than 100 m, and goes straight past them", async () => {
    const points = [
      { at: 0, lat: 0, lon: 0, accuracy: 100 },
      { at: 1, lat: 5, lon: 0.5, accuracy: 100.1 },
      { at: 2, lat: 0, lon: 1, accuracy: null },
    ];
    expect(await distance(points)).toBeCloseTo(degree, 0);
  });

  test("a silence of six hours is a way, a longer one is a gap", async () => {
    const points = [0, 6, 12.001].map((at, lon) => ({ at, lat: 0, lon }));
    expect(await distance(points)).toBeCloseTo(degree, 0);
  });

  test("deleted points are none", async () => {
    const points = [
      { at: 0, lat: 0, lon: 0 },
      { at: 1, lat: 5, lon: 0, deleted: true },
      { at: 2, lat: 0, lon: 1 },
    ];
    expect(await distance(points)).toBeCloseTo(degree, 0);
  });

  test("two devices have a track each, and two accounts a journal each", async () => {
    const phone = await register(server);
    const tablet = await login(server, phone);
    const stranger = await register(server);
    await addPoints(
      phone,
      [0, 2].map((at) => ({ at, lat: 0, lon: at / 2 })),
    );
    await addPoints(
      tablet,
      [1, 3].map((at) => ({ at, lat: 60, lon: 0 })),
    );
    await addPoints(
      stranger,
      [0, 1].map((at) => ({ at, lat: at, lon: 0 })),
    );
    expect((await readStatistics(db, phone.userId)).totalDistance).toBeCloseTo(degree, 0);
  });
});

describe("countries", () => {
  test("counts each once, by its borders; the sea is none", async () => {
    const munich: [number, number] = [48.137, 11.575];
    const salzburg: [number, number] = [47.8, 13.04];
    const hamburg: [number, number] = [53.55, 9.99];
    expect(await countries([])).toBe(0);
    expect(await countries([munich, salzburg, hamburg, munich])).toBe(2);
    expect(await countries([[40, -40]])).toBe(0);
    // South of the equator and west of Greenwich, where a mix-up of the two coordinates shows.
    expect(
      await countries([
        [-33.45, -70.66],
        [-34.6, -58.38],
      ]),
    ).toBe(2);
  });

  test("two banks of the Rhine are told apart", async () => {
    expect(
      await countries([
        [48.2, 7.63],
        [48.2, 7.66],
      ]),
    ).toBe(2);
  });

  test("deleted points count nowhere", async () => {
    const person = await register(server);
    await addPoints(person, [{ at: 0, lat: 48.137, lon: 11.575, deleted: true }]);
    expect((await readStatistics(db, person.userId)).countriesVisited).toBe(0);
  });
});

describe("totals", () => {
  test("count what lives, in clear or encrypted, of this account", async () => {
    const person = await register(server);
    const stranger = await register(server);
    for (const { userId, deviceId } of [person, stranger]) {
      for (const table of ["place_visits", "trips", "photos"]) {
        await db.execute(sql`
          INSERT INTO ${sql.identifier(table)} (user_id, id, device_id, server_version, edited_version, deleted_at)
          VALUES (${userId}, 'a', ${deviceId}, 1, 1, NULL), (${userId}, 'b', ${deviceId}, 2, 2, now())`);
      }
      await db.execute(sql`
        INSERT INTO encrypted_sync_data (user_id, id, device_id, server_version, edited_version, kind, deleted_at)
        VALUES (${userId}, 'c', ${deviceId}, 3, 3, 'trips', NULL), (${userId}, 'd', ${deviceId}, 4, 4, 'trips', now()),
          (${userId}, 'c', ${deviceId}, 5, 5, 'photos', NULL)`);
    }
    await addPoints(person, [
      { at: 0, lat: 0, lon: 0 },
      { at: 1, lat: 0, lon: 0, deleted: true },
    ]);
    const { json } = await server.request("GET", "/user/profile", {
      token: person.accessToken,
      deviceId: person.deviceId,
    });
    expect(json.statistics).toMatchObject({
      totalLocations: 1,
      totalPlaceVisits: 1,
      totalTrips: 2,
      totalPhotos: 2,
    });
  });
});

describe("StatisticsReader", () => {
  /** A database that counts its statements. */
  function counted(): { db: Database; statements: () => number } {
    let statements = 0;
    const execute = (...args: Parameters<Database["execute"]>) => {
      statements++;
      return db.execute(...args);
    };
    return { db: { execute } as unknown as Database, statements: () => statements };
  }

  test("counts once for every version of the account, also for many readers at once", async () => {
    const person = await register(server);
    const watched = counted();
    const reader = new StatisticsReader(watched.db);
    await Promise.all([1, 2, 3].map(() => reader.read(person.userId)));
    const once = watched.statements();
    await reader.read(person.userId);
    expect(watched.statements()).toBe(once + 1);
    await addPoints(person, [{ at: 0, lat: 0, lon: 0 }]);
    await db.execute(sql`UPDATE sync_versions SET version = version + 1 WHERE user_id = ${person.userId}`);
    expect((await reader.read(person.userId)).totalLocations).toBe(1);
  });

  test("remembers no more than two hundred accounts", async () => {
    const watched = counted();
    const reader = new StatisticsReader(watched.db);
    const accounts = Array.from({ length: 201 }, () => crypto.randomUUID());
    for (const account of accounts) await reader.read(account);
    const before = watched.statements();
    await reader.read(accounts[1] as string);
    expect(watched.statements()).toBe(before + 1);
    await reader.read(accounts[0] as string);
    expect(watched.statements()).toBeGreaterThan(before + 2);
  });

  test("does not remember a failure", async () => {
    let fail = true;
    let statements = 0;
    // The version can still be read; what fails is the counting.
    const execute = (...args: Parameters<Database["execute"]>) =>
      fail && ++statements > 1 ? Promise.reject(new Error("away")) : db.execute(...args);
    const person = await register(server);
    const reader = new StatisticsReader({ execute } as unknown as Database);
    await expect(reader.read(person.userId)).rejects.toThrow("away");
    fail = false;
    expect((await reader.read(person.userId)).totalLocations).toBe(0);
  });
});

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { instantHasher, login } from "../accounts/people.ts";
import { expectError } from "../http/error-shape.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { idsOf, instant, newWriter, type Writer, writerFor } from "./writer.ts";

let server: TestServer;
let ada: Writer;
beforeAll(async () => {
  server = await startTestServer({}, { hasher: instantHasher });
  ada = await newWriter(server);
});
afterAll(() => server.stop());

const visit = (more: object = {}) => ({
  location: { latitude: 47.5, longitude: 8.5 },
  placeName: "Café",
  address: null,
  category: "FOOD",
  arrivalTime: instant("03-01"),
  departureTime: null,
  durationMinutes: null,
  confidence: 0.5,
  isFavorite: false,
  notes: null,
  photos: [],
  tripId: null,
  ...more,
});
const trip = (more: object = {}) => ({
  name: "Alps",
  startDate: instant("03-01"),
  endDate: instant("03-05"),
  placeVisits: [],
  photos: [],
  notes: null,
  totalDistance: null,
  countries: ["CH"],
  ...more,
});

let made = 0;
const newId = () => `made_${++made}`;

/** What holds for everything that is written one at a time. */
describe.each([
  ["/place-visits", "placeVisits", visit, { placeName: "Bar" }, { arrivalTime: instant("02-01") }],
  ["/trips", "trips", trip, { name: "Jura" }, { startDate: instant("02-01") }],
] as const)("%s", (path, list, make, edit, earlier) => {
  const item = make as (more?: object) => Record<string, unknown>;
  const create = async (more: object = {}) => {
    const body = item({ id: newId(), ...more });
    const answer = await ada.post(path, body);
    if (answer.status !== 201) throw new Error(answer.text);
    return { ...answer.json, body } as { id: string; serverVersion: number; body: Record<string, unknown> };
  };

  test("POST makes it, and answers its version", async () => {
    const id = newId();
    const answer = await ada.post(path, item({ id }));
    expect(answer.status).toBe(201);
    expect(answer.json).toEqual({
      id,
      serverVersion: expect.any(Number),
      syncTimestamp: expect.stringMatching(/Z$/),
    });
    const { json } = await ada.get(`${path}/${id}`);
    expect(json).toMatchObject({
      ...item({ id }),
      serverVersion: answer.json.serverVersion,
      deviceId: ada.deviceId,
    });
  });

  test("POST without an id gives it one", async () => {
    for (const id of [undefined, null]) {
      const { json } = await ada.post(path, item({ id }));
      expect(json.id).toMatch(/^[0-9a-f-]{36}$/);
      expect((await ada.get(`${path}/${json.id}`)).status).toBe(200);
    }
  });

  test("POST of the same again is the same answer again, and one entity", async () => {
    const { id, serverVersion, body } = await create();
    for (const again of [body, { ...body, lastModified: instant("01-01"), localVersion: 7 }]) {
      const answer = await ada.post(path, again);
      expect([answer.status, answer.json.serverVersion]).toEqual([201, serverVersion]);
    }
    expect(idsOf(await ada.get(`${path}?limit=1000`)).filter((one) => one === id)).toHaveLength(1);
  });

  test("POST of the same at once is one entity", async () => {
    const body = item({ id: newId() });
    const answers = await Promise.all(Array.from({ length: 6 }, () => ada.post(path, body)));
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(201));
    expect(new Set(answers.map(({ json }) => json.serverVersion)).size).toBe(1);
  });

  test("POST of the same id with other content is 409, with numbers, and changes nothing", async () => {
    const { id, serverVersion } = await create();
    const answer = await ada.post(path, item({ id, ...edit }));
    expectError(answer, "VERSION_CONFLICT");
    expect(answer.json).toMatchObject({ currentVersion: serverVersion, expectedVersion: 0 });
    expect((await ada.get(`${path}/${id}`)).json).toMatchObject(item({ id, serverVersion }));
  });

  test.each(["", "a b", "x".repeat(129), "ä", 5, {}])("POST with the id %p is 400", async (id) => {
    const answer = await ada.post(path, item({ id }));
    expectError(answer, "VALIDATION_ERROR");
    expect(Object.keys(answer.json.details)).toEqual(["id"]);
  });

  test("POST of nulls alone names all that is needed", async () => {
    const nulls = Object.fromEntries(Object.keys(item()).map((key) => [key, null]));
    const answer = await ada.post(path, nulls);
    expectError(answer, "VALIDATION_ERROR");
    const needed = {
      "/place-visits": ["arrivalTime", "category", "confidence", "location"],
      "/trips": ["endDate", "name", "startDate"],
    };
    expect(Object.keys(answer.json.details).sort()).toEqual(needed[path]);
  });

  test("PUT changes what it names, leaves what it does not, and null is no news", async () => {
    const { id, serverVersion } = await create({ notes: "kept" });
    const nulls = Object.fromEntries(Object.keys(item()).map((key) => [key, null]));
    const answer = await ada.put(`${path}/${id}`, { ...nulls, ...edit, expectedVersion: serverVersion });
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ id, serverVersion: expect.any(Number), syncTimestamp: expect.any(String) });
    expect(answer.json.serverVersion).toBeGreaterThan(serverVersion);
    const now = await ada.get(`${path}/${id}`);
    expect(now.json).toMatchObject(
      item({ id, notes: "kept", ...edit, serverVersion: answer.json.serverVersion }),
    );
  });

  test("PUT of what is so already gives no new version", async () => {
    const { id, serverVersion, body } = await create();
    const answer = await ada.put(`${path}/${id}`, { ...body, expectedVersion: serverVersion });
    expect([answer.status, answer.json.serverVersion]).toEqual([200, serverVersion]);
  });

  test("PUT that was lost on its way back may be sent again", async () => {
    const { id, serverVersion } = await create();
    const send = () => ada.put(`${path}/${id}`, { ...edit, expectedVersion: serverVersion });
    const [one, two] = [await send(), await send()];
    expect([two.status, two.json.serverVersion]).toEqual([200, one.json.serverVersion]);
  });

  test("PUT on a stale version is 409, with numbers, whoever wrote last", async () => {
    const { id, serverVersion } = await create();
    const other = writerFor(server, await login(server, ada));
    const theirs = await other.put(`${path}/${id}`, { ...edit, expectedVersion: serverVersion });
    expect(theirs.status).toBe(200);
    for (const writer of [ada, other]) {
      const answer = await writer.put(`${path}/${id}`, { notes: "late", expectedVersion: serverVersion });
      expectError(answer, "VERSION_CONFLICT");
      expect(answer.json).toMatchObject({
        currentVersion: theirs.json.serverVersion,
        expectedVersion: serverVersion,
      });
    }
    expect((await ada.get(`${path}/${id}`)).json).toMatchObject({ ...edit, notes: null });
  });

  test("of PUTs at once on one version, one wins", async () => {
    const { id, serverVersion } = await create();
    const send = (number: number) =>
      ada.put(`${path}/${id}`, { notes: `n${number}`, expectedVersion: serverVersion });
    const answers = await Promise.all([1, 2, 3, 4, 5].map(send));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409]);
    const winner = answers.findIndex(({ status }) => status === 200) + 1;
    expect((await ada.get(`${path}/${id}`)).json.notes).toBe(`n${winner}`);
  });

  test.each([undefined, null, "1", 1.5, -1])(
    "PUT with expectedVersion %p is 400",
    async (expectedVersion) => {
      const { id } = await create();
      const answer = await ada.put(`${path}/${id}`, { ...edit, expectedVersion });
      expectError(answer, "VALIDATION_ERROR");
      expect(Object.keys(answer.json.details)).toEqual(["expectedVersion"]);
    },
  );

  test("PUT of nonsense is 400, and changes nothing", async () => {
    const { id, serverVersion } = await create();
    const [key] = Object.keys(edit) as [string];
    const answer = await ada.put(`${path}/${id}`, { [key]: 5, expectedVersion: serverVersion });
    expectError(answer, "VALIDATION_ERROR");
    expect(Object.keys(answer.json.details)).toEqual([key]);
    expect((await ada.get(`${path}/${id}`)).json.serverVersion).toBe(serverVersion);
  });

  test("DELETE is 204, again 204, and 404 for what never was", async () => {
    const { id } = await create();
    for (const _time of [1, 2]) {
      const answer = await ada.remove(`${path}/${id}`);
      expect([answer.status, answer.text]).toEqual([204, ""]);
    }
    expectError(await ada.remove(`${path}/${newId()}`), "NOT_FOUND");
  });

  test("after DELETE it is not there, not listed, and not changed", async () => {
    const { id, serverVersion, body } = await create();
    await ada.remove(`${path}/${id}`);
    expectError(await ada.get(`${path}/${id}`), "NOT_FOUND");
    expect(idsOf(await ada.get(`${path}?limit=1000`))).not.toContain(id);
    expectError(
      await ada.put(`${path}/${id}`, { ...edit, expectedVersion: serverVersion + 100 }),
      "NOT_FOUND",
    );
    expectError(await ada.post(path, body), "VERSION_CONFLICT");
  });

  test("PUT of what never was is 404", async () => {
    expectError(await ada.put(`${path}/${newId()}`, { ...edit, expectedVersion: 1 }), "NOT_FOUND");
  });

  describe("as a list", () => {
    let eve: Writer;
    beforeAll(async () => {
      eve = await newWriter(server);
      for (const [id, more] of [
        ["b", {}],
        ["old", earlier],
        ["a", {}],
      ] as const)
        await eve.post(path, item({ id, ...more }));
    });

    test("is newest first, and the same at every reading", async () => {
      const answer = await eve.get(path);
      expect(idsOf(answer)).toEqual(["a", "b", "old"]);
      expect(Object.keys(answer.json).sort()).toEqual([list, "pagination"].sort());
      expect(idsOf(await eve.get(path))).toEqual(["a", "b", "old"]);
    });

    test("comes in pages that fit together", async () => {
      const pages = await Promise.all(
        [0, 1, 2, 3].map((offset) => eve.get(`${path}?limit=1&offset=${offset}`)),
      );
      expect(pages.flatMap(idsOf)).toEqual(["a", "b", "old"]);
      expect(pages.map(({ json }) => json.pagination)).toEqual(
        [true, true, false, false].map((hasMore, offset) => ({ total: 3, limit: 1, offset, hasMore })),
      );
    });

    test("is at most as long as it may be", async () => {
      const most = path === "/trips" ? 500 : 1000;
      expect((await eve.get(path)).json.pagination.limit).toBe(path === "/trips" ? 50 : 100);
      expect((await eve.get(`${path}?limit=${most + 1}`)).json.pagination.limit).toBe(most);
    });
  });
});

describe("texts are kept as they are", () => {
  test.each([
    ["other scripts", "Zürich 東京 🏔️ عمان"],
    ["quotes and backslashes", `"'\\ \\u0000 %s $1 {}`],
    ["line breaks", "one\r\ntwo\tthree"],
    ["what looks like SQL", "'); DROP TABLE trips; --"],
    ["the longest note", "é".repeat(20_000)],
  ])("%s", async (_what, notes) => {
    const id = newId();
    expect((await ada.post("/trips", trip({ id, notes }))).status).toBe(201);
    expect((await ada.get(`/trips/${id}`)).json.notes).toBe(notes);
  });

  test.each([
    ["too long", "x".repeat(20_001)],
    ["not storable", "a\0b"],
  ])("%s is 400", async (_what, notes) => {
    const answer = await ada.post("/trips", trip({ notes }));
    expectError(answer, "VALIDATION_ERROR");
    expect(Object.keys(answer.json.details)).toEqual(["notes"]);
  });
});

describe("instants", () => {
  test.each([
    ["2025-11-17T10:00:00Z", "2025-11-17T10:00:00.000Z"],
    ["2025-11-17T10:00:00.123456789Z", "2025-11-17T10:00:00.123Z"],
    ["2025-11-17T11:30:00.9999+01:30", "2025-11-17T10:00:00.999Z"],
    ["2025-11-17t10:00z", "2025-11-17T10:00:00.000Z"],
  ])("%s is %s", async (given, kept) => {
    const id = newId();
    await ada.post("/trips", trip({ id, startDate: given, endDate: given }));
    expect((await ada.get(`/trips/${id}`)).json).toMatchObject({ startDate: kept, endDate: kept });
    expect((await ada.post("/trips", trip({ id, startDate: kept, endDate: given }))).status).toBe(201);
  });

  test.each(["2025-11-17", "2025-02-30T00:00:00Z", "2025-11-17T10:00:00", "tomorrow", 1731837600000])(
    "%p is none",
    async (startDate) => {
      expectError(await ada.post("/trips", trip({ startDate })), "VALIDATION_ERROR");
    },
  );
});

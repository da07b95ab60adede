import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createApp } from "../src/app.ts";
import { instantHasher, login, type Person, register } from "./accounts/people.ts";
import { type Answer, startTestServer, type TestServer } from "./support/test-server.ts";

/** What anyone may call. Whatever else the app answers needs a token; a new public route is added here on purpose. */
const publicRoutes = [
  "GET /health",
  "GET /health/live",
  "GET /health/ready",
  "GET /api/v1/health",
  "GET /api/v1/health/live",
  "GET /api/v1/health/ready",
  "GET /openapi.json",
  "GET /api/v1/openapi.json",
  "GET /docs",
  "GET /docs/:file",
  "POST /api/v1/auth/register",
  "POST /api/v1/auth/login",
  "POST /api/v1/auth/refresh",
  "POST /api/v1/auth/reset-password-request",
  "POST /api/v1/auth/reset-password",
];

/** Pages that mails lead to: the token of the mail is what opens them, and without one they ask for it. */
const pages = ["GET /reset-password", "POST /reset-password", "GET /invite", "POST /invite"];

/** What is opened by a signed link alone: neither tokens nor device headers mean anything there. */
const signedRoutes = ["ALL /storage/*"];

/** What is for those who look after the server: a person's session means nothing there. */
const caretakersRoutes = ["GET /metrics"];

interface Route {
  readonly method: string;
  /** As the app has it, with `:names`. */
  readonly path: string;
}

const server: TestServer = await startTestServer(
  { metricsEnabled: true, metricsToken: "of-those-who-look-after-it" },
  { hasher: instantHasher },
);
afterAll(() => server.stop());

const nameOf = ({ method, path }: Route) => `${method} ${path.replace(/(?<=.)\/$/, "")}`;
const routes: Route[] = createApp(server.context).routes.map(({ method, path }) => ({ method, path }));
const isPublic = (route: Route) => publicRoutes.includes(nameOf(route));
const isPage = (route: Route) => pages.includes(nameOf(route));
const named = (list: Route[]) => list.map((route) => [nameOf(route), route] as const);
const isSigned = (route: Route) => signedRoutes.includes(nameOf(route));
const isCaretakers = (route: Route) => caretakersRoutes.includes(nameOf(route));
const closed = routes.filter(
  (route) => !isPublic(route) && !isPage(route) && !isSigned(route) && !isCaretakers(route),
);

/** Ids of one account's things, by the word that stands before them in a path. */
type Ids = Record<
  "trips" | "place-visits" | "photos" | "locations" | "attachments" | "devices" | "export",
  string
> & {
  conflict: string;
};

const at = "2025-11-17T10:00:00.000Z";
const here = { latitude: 47.5, longitude: 8.5 };

function idsFor(owner: string, device: string): Ids {
  const id = (kind: string) => `${owner}_${kind}_1`;
  return {
    trips: id("trip"),
    "place-visits": id("visit"),
    photos: id("photo"),
    locations: id("point"),
    attachments: id("attachment"),
    devices: device,
    export: crypto.randomUUID(),
    conflict: crypto.randomUUID(),
  };
}

function entities(ids: Ids) {
  const visit = { location: here, placeName: "A", category: "HOME", arrivalTime: at, confidence: 1 };
  return {
    location: { id: ids.locations, timestamp: at, ...here, accuracy: 5, provider: "GPS" },
    trip: { id: ids.trips, name: "A", startDate: at, endDate: at, placeVisits: [ids["place-visits"]] },
    visit: { id: ids["place-visits"], ...visit, photos: [ids.photos] },
    photo: { id: ids.photos, timestamp: at, location: here },
    attachment: {
      id: ids.attachments,
      photoId: ids.photos,
      placeVisitId: ids["place-visits"],
      attachedAt: at,
    },
  };
}

/** A picture with one pixel. */
const pixel = await new Bun.Image(Buffer.from("R0lGODdhAQABAIAAAP///////ywAAAAAAQABAAACAkQBADs=", "base64"))
  .jpeg()
  .bytes();

/** An upload of that picture, as text that stands for bytes. */
function uploadOf(photo: object): Uint8Array {
  const head = (name: string) => `--frontier\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`;
  const parts = [
    head("metadata"),
    JSON.stringify(photo),
    "\r\n",
    head("file"),
    pixel,
    "\r\n--frontier--\r\n",
  ];
  return Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
}

/** Headers of routes that read no JSON. */
const headersOf: Record<string, Record<string, string>> = {
  "POST /api/v1/photos/upload": { "Content-Type": "multipart/form-data; boundary=frontier" },
};

/** A body for each route that reads one, naming the given things. */
const bodies: Record<string, (ids: Ids, deviceId: string) => unknown> = {
  "POST /api/v1/auth/logout": (ids) => ({ deviceId: ids.devices }),
  "PUT /api/v1/user/profile": () => ({ displayName: "Ada" }),
  "PUT /api/v1/user/password": () => ({ currentPassword: "not this one", newPassword: "a good new one" }),
  "DELETE /api/v1/user": () => ({ password: "not this one" }),
  "POST /api/v1/sync/delta": (ids, deviceId) => {
    const { location, trip, visit, photo, attachment } = entities(ids);
    const changed = { name: "B", serverVersion: 1 };
    const lists = { locations: [location], trips: [{ ...trip, ...changed }], placeVisits: [visit] };
    const more = { photos: [{ ...photo, syncAction: "DELETE" }], photoAttachments: [attachment] };
    return { deviceId, lastSyncVersion: 0, localChanges: { ...lists, ...more } };
  },
  "POST /api/v1/sync/resolve-conflict": (ids) => ({
    conflictId: ids.conflict,
    resolution: "KEEP_LOCAL",
    resolvedEntity: {},
  }),
  "POST /api/v1/locations/batch": (ids, deviceId) => ({ deviceId, locations: [entities(ids).location] }),
  "POST /api/v1/place-visits": (ids) => entities(ids).visit,
  "PUT /api/v1/place-visits/:id": () => ({ notes: "B", expectedVersion: 1 }),
  "POST /api/v1/trips": (ids) => entities(ids).trip,
  "PUT /api/v1/trips/:id": () => ({ notes: "B", expectedVersion: 1 }),
  "PUT /api/v1/trips/:id/days/:date": () => ({ notes: "B", expectedVersion: 1 }),
  "POST /api/v1/photos/upload": (ids) => uploadOf(entities(ids).photo),
  "POST /api/v1/photos": (ids) => ({
    ...entities(ids).photo,
    id: `${ids.photos}_planned`,
    fileName: "a.jpg",
    mimeType: "image/jpeg",
    sizeBytes: 9,
  }),
  "POST /api/v1/photos/:id/confirm": () => ({}),
  "POST /api/v1/photos/attachments": (ids) => ({ attachments: [entities(ids).attachment] }),
  "POST /api/v1/export/request": () => ({ format: "JSON", includePhotos: true }),
  "PUT /api/v1/settings": () => ({ unitPreferences: { timeFormat: "12_HOUR" }, expectedVersion: 0 }),
};

/** The path with the given things in it. @throws when a route has a parameter that this test does not know. */
function fill({ path }: Route, ids: Ids): string {
  const parts = path.split("/");
  const filled = parts.map((part, index) => {
    if (!part.startsWith(":")) return part;
    if (part === ":file") return "start.js";
    const id = part === ":date" ? "2025-11-17" : ids[parts[index - 1] as keyof Ids];
    if (!id) throw new Error(`this test does not know what ${part} is in ${path}`);
    return id;
  });
  return filled.join("/");
}

function call(
  route: Route,
  ids: Ids,
  options: { token?: string; deviceId?: string | null },
): Promise<Answer> {
  const path = fill(route, ids);
  const deviceId = options.deviceId ?? "";
  const body = bodies[nameOf(route)]?.(ids, deviceId);
  const base = path.startsWith("/api/v1") ? path.slice("/api/v1".length) : `/../..${path}`;
  const headers = headersOf[nameOf(route)] ?? {};
  return server.request(route.method, base, { ...options, headers, ...(body !== undefined && { body }) });
}

const hersAlone = "only she may read this";
let ada: Person;
let hers: Ids;
beforeAll(async () => {
  ada = await register(server);
  hers = idsFor("ada", ada.deviceId);
  const { location, trip, visit, photo, attachment } = entities(hers);
  const lists = { locations: [location], trips: [trip], placeVisits: [visit], photos: [photo] };
  const body = {
    deviceId: ada.deviceId,
    lastSyncVersion: 0,
    localChanges: { ...lists, photoAttachments: [attachment] },
  };
  const who = { token: ada.accessToken, deviceId: ada.deviceId };
  const first = await server.request("POST", "/sync/delta", { ...who, body });
  expect(first.json.accepted.trips).toEqual([hers.trips]);
  const uploaded = await call({ method: "POST", path: "/api/v1/photos/upload" }, hers, who);
  expect(uploaded.status).toBe(201);
  const day = await server.request("PUT", `/trips/${hers.trips}/days/2025-11-17`, {
    ...who,
    body: { notes: "A", expectedVersion: 0 },
  });
  const renamed = { name: hersAlone, expectedVersion: 99 };
  const named = await server.request("PUT", `/trips/${hers.trips}`, { ...who, body: renamed });
  expect([day.status, named.status]).toEqual([200, 200]);
  const requested = await call({ method: "POST", path: "/api/v1/export/request" }, hers, who);
  await server.context.worker.runDue();
  hers = { ...hers, conflict: await makeConflict(trip), export: requested.json.exportId };
});

/** Her second phone edits the trip without knowing of the first one's edits. */
async function makeConflict(trip: object): Promise<string> {
  const { accessToken: token, deviceId } = await login(server, ada);
  const edited = { ...trip, notes: "elsewhere", lastModified: "2999-01-01T00:00:00Z" };
  const body = { deviceId, lastSyncVersion: 0, localChanges: { trips: [edited] } };
  const { conflicts } = (await server.request("POST", "/sync/delta", { token, deviceId, body })).json;
  expect(conflicts).toHaveLength(1);
  return conflicts[0].conflictId;
}

describe("the list of routes", () => {
  test("is the app's own, and holds what the contract has", () => {
    const names = routes.map(nameOf);
    expect(names.length).toBeGreaterThan(40);
    for (const name of [...publicRoutes, ...pages, ...caretakersRoutes]) expect(names).toContain(name);
  });

  test("holds no route that writes without a body known here", () => {
    const reading = closed.filter(({ method }) => method === "POST" || method === "PUT");
    expect(reading.map(nameOf).filter((name) => !bodies[name])).toEqual([]);
    expect(Object.keys(bodies).filter((name) => !closed.some((route) => nameOf(route) === name))).toEqual([]);
  });
});

describe("without a token", () => {
  test.each(named(closed))("%s is 401", async (_name, route) => {
    const answer = await call(route, hers, { deviceId: ada.deviceId });
    expect([answer.status, answer.json?.error]).toEqual([401, "UNAUTHORIZED"]);
  });

  test.each(named(routes.filter(isPublic)))("%s asks for none", async (_name, route) => {
    const answer = await call(route, hers, { deviceId: ada.deviceId });
    expect(answer.status).toBe(route.method === "GET" ? 200 : 400);
  });
});

describe("a page", () => {
  test.each(named(routes.filter(isPage)))(
    "%s asks for no token of a device",
    async (_name, { method, path }) => {
      const form = { ...(method === "POST" && { body: new URLSearchParams({ token: "made up" }) }) };
      const answer = await fetch(server.url + path, { method, ...form });
      expect(answer.headers.get("content-type")).toStartWith("text/html");
      expect(method === "GET" ? [200] : [400, 403]).toContain(answer.status);
    },
  );
});

describe("without a signature", () => {
  test.each(["GET", "HEAD", "PUT"])("%s of a stored object is 403", async (method) => {
    const { key } =
      (await server.context.db.execute<{ key: string }>("SELECT key FROM stored_objects"))[0] ?? {};
    const answer = await fetch(`${server.url}/storage/${key}`, {
      method,
      ...(method === "PUT" && { body: "x" }),
    });
    expect(answer.status).toBe(403);
    if (method !== "HEAD") expect(await answer.json()).toMatchObject({ error: "FORBIDDEN" });
  });
});

describe("without being let in to look after the server", () => {
  test.each(named(routes.filter(isCaretakers)))(
    "%s is refused, also to who is signed in",
    async (_name, { path }) => {
      expect(await (await fetch(`${server.url}${path}`)).json()).toMatchObject({ error: "UNAUTHORIZED" });
      const headers = { Authorization: `Bearer ${ada.accessToken}`, "X-Device-ID": ada.deviceId };
      expect(await (await fetch(`${server.url}${path}`, { headers })).json()).toMatchObject({
        error: "FORBIDDEN",
      });
    },
  );
});

describe("without device headers", () => {
  const guarded = routes.filter(
    ({ path }) => path.startsWith("/api/") && !/\/(health|openapi\.json)/.test(path),
  );
  test.each(named(guarded))("%s is 400, and names the header", async (_name, route) => {
    const answer = await call(route, hers, { token: ada.accessToken, deviceId: null });
    expect([answer.status, answer.json?.details?.header]).toEqual([400, "X-Device-ID"]);
    const bare = { method: route.method, headers: { "X-Device-ID": ada.deviceId } };
    const unversioned = await fetch(server.url + fill(route, hers), bare);
    expect(unversioned.status).toBe(400);
    expect(await unversioned.json()).toMatchObject({ details: { header: "X-App-Version" } });
  });
});

describe("with another device's token", () => {
  test.each(named(closed))("%s is 403", async (_name, route) => {
    const answer = await call(route, hers, { token: ada.accessToken, deviceId: crypto.randomUUID() });
    expect([answer.status, answer.json?.error]).toEqual([403, "FORBIDDEN"]);
  });
});

/** All that an account can see of itself. */
async function everythingOf(person: Person): Promise<string> {
  const who = { token: person.accessToken, deviceId: person.deviceId };
  const readable = closed.filter(({ method }) => method === "GET");
  const answers = await Promise.all(readable.map((route) => call(route, hers, who)));
  expect(answers.map(({ status }) => status)).toEqual(readable.map(() => 200));
  const body = { deviceId: person.deviceId, lastSyncVersion: 0, localChanges: {} };
  const delta = await server.request("POST", "/sync/delta", { ...who, body });
  // When this device last synced is different each time it looks; all else must not be.
  const { syncTimestamp: _now, ...seen } = delta.json;
  const changing = /"(lastSyncTimestamp|lastSyncAt)":"[^"]*"|expires=\d+|signature=[\w-]+/g;
  return JSON.stringify([answers.map(({ text }) => text), seen]).replace(changing, "");
}

/** An answer less what differs from one account, or one moment, to another. */
function comparable({ status, text }: Answer, ids: Ids): string {
  const all = Object.values(ids).reduce((rest, id) => rest.replaceAll(id, "<id>"), text);
  const neutral = all
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<instant>")
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi, "<uuid>")
    .replace(/(storage\/\w+\/)[0-9a-f]{32}/g, "$1<key>")
    .replace(/expires=\d+|signature=[\w-]+/g, "")
    .replace(/(link_|day_[\d-]+_)[0-9a-f]{24,}/g, "$1<hash>")
    .replace(/person\d+@/g, "<person>@");
  return `${status} ${neutral}`;
}

describe("another account", () => {
  let bob: Person;
  let eve: Person;
  let nobodys: Ids;
  let before: string;
  beforeAll(async () => {
    [bob, eve] = [await register(server), await register(server)];
    nobodys = idsFor("eva", crypto.randomUUID());
    await everythingOf(ada);
    before = await everythingOf(ada);
  });

  /** Both accounts do the same, one with her ids and one with ids that nobody has. */
  async function compare(route: Route): Promise<Answer> {
    const seen = await call(route, hers, { token: bob.accessToken, deviceId: bob.deviceId });
    const unseen = await call(route, nobodys, { token: eve.accessToken, deviceId: eve.deviceId });
    expect(comparable(seen, hers)).toBe(comparable(unseen, nobodys));
    expect(seen.status).toBeLessThan(500);
    for (const secret of [ada.userId, ada.email, hersAlone]) expect(seen.text).not.toContain(secret);
    return seen;
  }

  const ofOneThing = closed.filter(({ path }) => path.includes(":"));
  const ofAll = closed.filter(({ path }) => !path.includes(":"));

  test.each(named(ofOneThing))("%s finds nothing of hers", async (_name, route) => {
    expect((await compare(route)).json.error).toBe("NOT_FOUND");
  });

  test.each(named(ofAll.filter(({ method }) => method === "GET")))(
    "%s lists nothing of hers",
    async (_name, route) => {
      const { status, text } = await compare(route);
      expect(status).toBe(200);
      expect(text).not.toContain("ada_");
    },
  );

  // From here on the two have things under her ids, or under nobody's: their own.
  const writing = ofAll.filter(({ method }) => method !== "GET");
  test.each(named([...writing, ...ofOneThing]))("%s takes her ids as any others", async (_name, route) => {
    await compare(route);
  });

  test("leaves no trace in hers", async () => {
    expect(await everythingOf(ada)).toBe(before);
  });
});

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { chapters } from "../../src/api/catalogue.ts";
import { tokens } from "../../src/api/story.ts";
import { createApp } from "../../src/app.ts";
import type { OutgoingMail } from "../../src/email/outgoing-mail.ts";
import { errorStatus } from "../../src/errors.ts";
import { instantHasher } from "../accounts/people.ts";
import { DocumentedAnswers, type ReadDocument } from "../support/documented-answers.ts";
import { quadrantsPng } from "../support/png.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { namesOf, operationsOf, type Placed, Replay, unlikeness } from "./replay.ts";

const mails: OutgoingMail[] = [];
const server: TestServer = await startTestServer(
  { metricsEnabled: true },
  { hasher: instantHasher, mailer: { send: async (mail) => void mails.push(mail) } },
);
afterAll(() => server.stop());
const served = await fetch(`${server.url}/openapi.json`);
const text = await served.text();
const document = JSON.parse(text) as ReadDocument & {
  openapi: string;
  servers: { url: string }[];
  components: Record<string, Record<string, { properties?: Record<string, object> }>>;
};
const answers = new DocumentedAnswers(document);
const operations = operationsOf(document);

const inDocument = (path: string) => path.replace(/(?<=.)\/$/, "").replace(/:(\w+)/g, "{$1}");
const named = (list: readonly Placed[]) =>
  list.map((placed) => [`${placed.method.toUpperCase()} ${placed.path}`, placed] as const);

describe("the document", () => {
  test("is valid OpenAPI 3.1", async () => {
    const verdict = await new Validator().validate(JSON.parse(text));
    expect(verdict).toEqual({ valid: true });
    expect(document.openapi).toBe("3.1.0");
  });

  test("describes every route of the app", () => {
    const described = new Set(operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`));
    const spread: Record<string, string[]> = {
      "ALL /storage/*": ["GET", "HEAD", "PUT"].map((method) => `${method} /storage/{area}/{name}`),
    };
    const wanted = createApp(server.context).routes.flatMap(({ method, path, hooks }) => {
      // A page for people; under the base path there are none.
      if (hooks?.detail?.hide === true && !path.startsWith("/api/")) return [];
      const name = `${method} ${inDocument(path)}`;
      return spread[name] ?? [name];
    });
    const missing = wanted.filter((name) => !described.has(name));
    const how =
      'give the route a third argument described("name"), and an operation of that name to a *-description.ts';
    expect(missing.map((name) => `${name} is not described: ${how}`)).toEqual([]);
    expect([...described].filter((name) => !wanted.includes(name))).toEqual([]);
  });

  test("has a use for every description", () => {
    const carried = new Set(createApp(server.context).routes.map(({ hooks }) => hooks?.detail?.operationId));
    const written = chapters.flatMap((chapter) => Object.keys(chapter.operations));
    expect(written.filter((name) => !carried.has(name))).toEqual([]);
    expect(new Set(written).size).toBe(written.length);
  });

  test("gives every operation a name of its own", () => {
    const names = operations.map(({ operation }) => operation.operationId);
    expect(new Set(names).size).toBe(names.length);
  });

  test.each(named(operations))("tells how %s answers, and fails", (_name, { operation }) => {
    const statuses = Object.keys(operation.responses);
    expect(statuses.some((status) => status.startsWith("2"))).toBe(true);
    expect(statuses).toContain("500");
    if (operation.security?.length)
      expect(statuses).toEqual(expect.arrayContaining(["400", "401", "403", "429"]));
    if (operation.requestBody) {
      expect(statuses).toEqual(expect.arrayContaining(["400", "413", "415"]));
      for (const { examples } of Object.values(operation.requestBody.content))
        expect(Object.keys(examples ?? {})).not.toEqual([]);
    }
  });

  test("tells of every error, with an example in its shape", () => {
    const shown = Object.values(document.components.responses ?? {}).flatMap((response) =>
      Object.entries(
        (response as { content: Record<string, { examples: object }> }).content["application/json"]
          ?.examples ?? {},
      ),
    );
    // A wrong method has no operation of its own.
    const elsewhere = ["METHOD_NOT_ALLOWED"];
    const codes = new Set(shown.map(([code]) => code));
    expect(Object.keys(errorStatus).filter((code) => !codes.has(code))).toEqual(elsewhere);
    for (const [code, { value }] of shown as [string, { value: unknown }][]) {
      const schema = code === "VERSION_CONFLICT" ? "VersionConflict" : "Error";
      expect([code, answers.problemsAt(["components", "schemas", schema], value)]).toEqual([code, null]);
    }
  });

  test("has no schema that anything would fit", () => {
    const loose = Object.entries(document.components.schemas ?? {}).filter(
      ([, schema]) => JSON.stringify(schema) === "{}",
    );
    expect(loose).toEqual([]);
  });
});

/** Every example of the document, in an order in which one makes the next possible. */
const story = `
  readMetrics readApiDescription readApiDescriptionUnderBasePath readDocs readDocsFile
  readHealth readReadiness readLiveness readHealthUnderBasePath readReadinessUnderBasePath readLivenessUnderBasePath
  register/phone login/phone refresh/phone login/tablet
  uploadLocations/walk listLocations readLocation
  createPlaceVisit/one listPlaceVisits readPlaceVisit changePlaceVisit/one
  createTrip/one listTrips readTrip changeTrip/one writeTripDay/first listTripDays readTripDay
  uploadPicture/camera listPhotos readPhoto downloadPicture readThumbnail
  attachPhotos/one listAttachmentsOfPhoto listPhotosOfPlaceVisit
  announcePicture/camera putStoredObject/camera confirmPicture getStoredObject headStoredObject
  readSettings changeSettings/clock
  exchangeDelta/first exchangeDelta/conflict resolveConflict/merge listConflicts readSyncStatus
  readProfile changeProfile/name changeProfile/picture listDevices logout/tablet endDevice
  changePassword/known resetPassword/forgotten login/again requestPasswordReset/known
  removeLocation removePlaceVisit removeTrip removePhoto eraseAccount/known
`
  .trim()
  .split(/\s+/);

/** As many bytes as the example of an announcement says. What follows the end of a JPEG is nobody's. */
async function pictureOf(bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const picture = new Uint8Array(bytes);
  picture.set(await new Bun.Image(quadrantsPng(32, 24)).jpeg().bytes());
  return picture;
}

describe("the examples", () => {
  let replay: Replay;
  beforeAll(async () => {
    replay = new Replay(server.url, answers, await pictureOf(2048));
  });

  test("are all played", () => {
    const all = operations.flatMap((placed) =>
      namesOf(placed).map((name) => placed.operation.operationId + (name === null ? "" : `/${name}`)),
    );
    expect(all.filter((name) => !story.includes(name))).toEqual([]);
    expect(story.filter((name) => !all.includes(name))).toEqual([]);
  });

  test.each(story)("%s", async (step) => {
    const [operationId, name = null] = step.split("/");
    const placed = operations.find(({ operation }) => operation.operationId === operationId) as Placed;
    if (operationId === "resetPassword") replay.learn(tokens.reset, await resetToken());
    const { status, expected, example, json } = await replay.play(placed, name);
    expect([status, status === expected ? null : json]).toEqual([expected, null]);
    if (example !== undefined) expect(unlikeness(example, json)).toBeNull();
  });

  test.each(named(operations))("of %s fit their schemas", (_name, { path, method, operation }) => {
    const bodies = Object.entries(operation.requestBody?.content ?? {}).map(
      ([type, media]) => [["paths", path, method, "requestBody", "content", type, "schema"], media] as const,
    );
    const told = Object.entries(operation.responses).flatMap(([status, { content = {} }]) =>
      Object.entries(content).map(
        ([type, media]) =>
          [["paths", path, method, "responses", status, "content", type, "schema"], media] as const,
      ),
    );
    for (const [place, { examples = {} }] of [...bodies, ...told])
      for (const [name, { value }] of Object.entries(examples))
        expect([name, answers.problemsAt(place, value)]).toEqual([name, null]);
  });
});

/** What a mail brings. */
async function resetToken(): Promise<string> {
  const [user] = await server.context.db.execute<{ email: string }>("SELECT email FROM users");
  server.context.passwordReset.request(user?.email ?? "");
  await server.context.passwordReset.settle();
  await server.context.worker.runDue();
  const { handOn } = mails.findLast(({ template }) => template === "password-reset") ?? {};
  return handOn && "code" in handOn ? handOn.code : "";
}

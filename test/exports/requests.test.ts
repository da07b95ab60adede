import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { utimes } from "node:fs/promises";
import { sql } from "drizzle-orm";
import { unavailable } from "../../src/errors.ts";
import { defineExportJob } from "../../src/exports/export-job.ts";
import { completeExport } from "../../src/exports/export-rows.ts";
import { cancel, enqueue } from "../../src/jobs/queue.ts";
import { JobWorker } from "../../src/jobs/worker.ts";
import { DirectoryStorage } from "../../src/storage/directory-storage.ts";
import { newKey } from "../../src/storage/object-key.ts";
import { announce, claim } from "../../src/storage/references.ts";
import type { ObjectStorage } from "../../src/storage/storage.ts";
import { goodPassword, instantHasher } from "../accounts/people.ts";
import { writeJournal } from "../backup/journal.ts";
import { holdTransaction, untilWaiting } from "../support/held-transaction.ts";
import { newJpeg, saying, uploadPicture } from "../support/picture-upload.ts";
import { type Device, type Json, newDevice } from "../support/sync-client.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { until } from "../support/until.ts";
import { linkAt, readJson, requestExport, statusOf, storedExports, unzip, waitingKeys } from "./archives.ts";

/** A storage that takes nothing until it is let, or that fails. */
class HeldStorage extends DirectoryStorage {
  /** Writes that have begun. */
  begun = 0;
  hold: Promise<unknown> = Promise.resolve();
  /** Fails in the middle of what it is given. */
  breaks = false;
  /** Gives nothing. */
  isAway = false;

  override async stat(key: string) {
    if (this.isAway) throw unavailable("The storage is away");
    return super.stat(key);
  }

  override async probe(): Promise<void> {
    if (this.isAway) throw new Error("the storage is away");
  }

  override async put(key: string, body: ReadableStream<Uint8Array>): Promise<void> {
    this.begun++;
    await this.hold;
    if (!this.breaks) return super.put(key, body);
    const reader = body.getReader();
    await reader.read();
    await reader.cancel();
    throw new Error("the disk is on fire");
  }
}

let server: TestServer;
let storage: HeldStorage;
let device: Device;
/** One that stops does not begin again. */
let worker: JobWorker;
beforeAll(async () => {
  const folder = `${process.env.TMPDIR ?? "/tmp"}/tg-held-${crypto.randomUUID()}`;
  storage = new HeldStorage(folder);
  server = await startTestServer({}, { hasher: instantHasher, storage: storage as ObjectStorage });
});
afterAll(async () => {
  await server.stop();
  await Bun.$`rm -rf ${storage.root}`.quiet();
});
beforeEach(async () => {
  Object.assign(storage, { begun: 0, hold: Promise.resolve(), breaks: false, isAway: false });
  await server.context.db.execute(sql`TRUNCATE jobs, exports, unreferenced_objects`);
  for (const key of await storedExports(server)) await storage.delete(key);
  const { db, log, work } = server.context;
  worker = new JobWorker({ db, log, kinds: work });
  device = await newDevice(server);
  await writeJournal(device);
});

const send = (body: unknown, by = device) => by.request("POST", "/export/request", body);
/** As if the time of jobs had come, and a killed server's lease were over. */
const hurry = () =>
  device.rows(sql`UPDATE jobs SET run_at = now(), lease_until = lease_until - interval '1 hour'`);
const jobs = () =>
  device.rows<Json>(sql`SELECT state, attempts, problem FROM jobs WHERE kind = 'export' ORDER BY created_at`);
const mails = () => device.rows<Json>(sql`SELECT payload FROM jobs WHERE kind = 'mail'`);

describe("a request", () => {
  test("is answered at once, in the words of the contract", async () => {
    const answer = await send({ format: "JSON", includePhotos: true, startDate: null, endDate: null });
    expect(answer.status).toBe(202);
    const { exportId, status, estimatedCompletionTime } = answer.json;
    expect(status).toBe("PENDING");
    expect(Date.parse(estimatedCompletionTime)).toBeGreaterThan(Date.now());
    expect(estimatedCompletionTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(await statusOf(device, exportId)).toEqual({
      exportId,
      status: "PENDING",
      downloadUrl: null,
      expiresAt: null,
      fileSize: null,
      sha256: null,
    });
  });

  const bad: [name: string, body: Json, field: string][] = [
    ["no format", { includePhotos: true }, "format"],
    ["another format", { format: "PDF" }, "format"],
    ["a format in small letters", { format: "json" }, "format"],
    ["words for yes and no", { format: "JSON", includePhotos: "yes" }, "includePhotos"],
    ["no date", { format: "JSON", startDate: "yesterday" }, "startDate"],
    ["a date that no calendar has", { format: "JSON", endDate: "2025-02-30" }, "endDate"],
    ["a number for a date", { format: "JSON", startDate: 5 }, "startDate"],
    [
      "an end before the start",
      { format: "JSON", startDate: "2025-02-02", endDate: "2025-02-01" },
      "endDate",
    ],
    ["a list", [], "body"],
  ];
  test.each(bad)("with %s is refused", async (_name, body, field) => {
    const answer = await send(body);
    expect([answer.status, answer.json.error, Object.keys(answer.json.details)]).toEqual([
      400,
      "VALIDATION_ERROR",
      [field],
    ]);
    expect(await jobs()).toEqual([]);
  });

  test("again within a minute is the same export, also at the same moment", async () => {
    const body = { format: "JSON", includePhotos: true, startDate: "2025-01-01" };
    const answers = await Promise.all(Array.from({ length: 8 }, () => send(body)));
    expect(new Set(answers.map(({ json }) => json.exportId)).size).toBe(1);
    expect(await jobs()).toHaveLength(1);
    await worker.runDue();
    expect((await send(body)).json).toMatchObject({
      exportId: answers[0]?.json.exportId,
      status: "COMPLETED",
    });
    // The same day in other words.
    const instant = await send({ ...body, startDate: "2025-01-01T01:00:00+01:00" });
    expect(instant.json.exportId).toBe(answers[0]?.json.exportId);
    await device.rows(sql`UPDATE exports SET requested_at = requested_at - interval '61 seconds'`);
    expect((await send(body)).json.exportId).not.toBe(answers[0]?.json.exportId);
  });

  test("for something else, or by somebody else, is another one", async () => {
    const base = { format: "JSON", includePhotos: true, startDate: "2025-01-01" };
    const other = await newDevice(server);
    const ids = [
      (await send(base)).json.exportId,
      (await send({ ...base, includePhotos: false })).json.exportId,
      (await send({ ...base, startDate: null })).json.exportId,
      (await send(base, other)).json.exportId,
      (await send({ ...base, format: "CSV" }, other)).json.exportId,
      (await send({ ...base, endDate: "2025-01-01" }, other)).json.exportId,
    ];
    expect(new Set(ids).size).toBe(6);
  });

  test("is one too many while three are under way, and never more than that", async () => {
    const answers = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((day) => send({ format: "JSON", startDate: `2025-01-0${day}` })),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([202, 202, 202, 429, 429, 429]);
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.json).toMatchObject({ error: "RATE_LIMIT_EXCEEDED", details: null });
    expect(Number(refused?.headers.get("retry-after"))).toBeGreaterThan(0);
    await worker.runDue();
    expect((await send({ format: "JSON", startDate: "2025-01-09" })).status).toBe(202);
  });
});

describe("the status", () => {
  test("of another account's export is 404, and so is what is no id", async () => {
    const { exportId } = await requestExport(device);
    const other = await newDevice(server);
    for (const id of [
      exportId,
      crypto.randomUUID(),
      "x",
      "%00",
      "..%2f",
      exportId.slice(1),
      `${exportId}0`,
    ]) {
      const answer = await other.request("GET", `/export/${id}/status`);
      expect([id, answer.status, answer.json.error]).toEqual([id, 404, "NOT_FOUND"]);
    }
    expect((await device.request("GET", `/export/${exportId.toUpperCase()}/status`)).status).toBe(200);
  });
});

describe("an attempt", () => {
  test("that is under way says so; one account's exports are made one after the other", async () => {
    const gate = Promise.withResolvers<void>();
    storage.hold = gate.promise;
    const { exportId } = await requestExport(device);
    const later = await requestExport(device, { format: "CSV" });
    worker.start();
    await until(() => storage.begun === 1);
    expect((await statusOf(device, exportId)).status).toBe("PROCESSING");
    expect((await statusOf(device, later.exportId)).status).toBe("PENDING");
    gate.resolve();
    await until(async () => (await statusOf(device, later.exportId)).status === "COMPLETED");
    await worker.stop();
    expect((await statusOf(device, exportId)).status).toBe("COMPLETED");
  });

  test("that fails leaves nothing, and is tried again", async () => {
    storage.breaks = true;
    const { exportId } = await requestExport(device);
    await worker.runDue();
    expect(await jobs()).toEqual([{ state: "waiting", attempts: 1, problem: expect.any(String) }]);
    expect((await statusOf(device, exportId)).status).toBe("PROCESSING");
    expect([await storedExports(server), await waitingKeys(server)]).toEqual([[], []]);
    storage.breaks = false;
    await hurry();
    await worker.runDue();
    expect((await statusOf(device, exportId)).status).toBe("COMPLETED");
    expect(await storedExports(server)).toHaveLength(1);
  });

  test("that finds the storage away is tried again: pictures are not taken to be lost", async () => {
    await uploadPicture(server, device, saying("photo_1"), newJpeg());
    const { exportId } = await requestExport(device);
    storage.isAway = true;
    await worker.runDue();
    storage.isAway = false;
    expect(await jobs()).toMatchObject([{ state: "waiting", attempts: 1 }]);
    await hurry();
    await worker.runDue();
    const { downloadUrl } = await statusOf(device, exportId);
    const files = await unzip(await (await fetch(linkAt(server, downloadUrl))).bytes());
    expect(readJson(files, "export.json")).toMatchObject({ missing: [], pictures: [{}] });
  });

  test("that fails for the last time is FAILED; asked for again, it is made anew", async () => {
    storage.breaks = true;
    const { exportId } = await requestExport(device);
    for (let attempt = 0; attempt < 5; attempt++) {
      await hurry();
      await worker.runDue();
    }
    expect(await jobs()).toMatchObject([{ state: "dead", attempts: 5 }]);
    expect(await statusOf(device, exportId)).toMatchObject({
      status: "FAILED",
      downloadUrl: null,
      fileSize: null,
    });
    storage.breaks = false;
    const again = await requestExport(device);
    expect(again.exportId).not.toBe(exportId);
  });

  test("that an administrator cancels is FAILED", async () => {
    const { exportId } = await requestExport(device);
    const [job] = await device.rows<{ id: string }>(sql`SELECT id FROM jobs`);
    await server.context.db.transaction((tx) => cancel(tx, server.context.work, job?.id ?? ""));
    expect((await statusOf(device, exportId)).status).toBe("FAILED");
  });

  test("that the end of the server breaks off is none: it is begun again, and leaves nothing", async () => {
    const gate = Promise.withResolvers<void>();
    storage.hold = gate.promise;
    const { exportId } = await requestExport(device);
    worker.start();
    await until(() => storage.begun === 1);
    const stopped = worker.stop();
    gate.resolve();
    await stopped;
    expect(await jobs()).toEqual([{ state: "waiting", attempts: 0, problem: null }]);
    expect([await storedExports(server), await waitingKeys(server)]).toEqual([[], []]);
    await server.context.worker.runDue();
    expect((await statusOf(device, exportId)).status).toBe("COMPLETED");
  });

  test("that lost its job to another one does not end up beside it", async () => {
    const gate = Promise.withResolvers<void>();
    storage.hold = gate.promise;
    const { exportId } = await requestExport(device);
    const first = worker.runDue();
    await until(() => storage.begun === 1);
    storage.hold = Promise.resolve();
    await hurry();
    await worker.runDue();
    const done = await statusOf(device, exportId);
    gate.resolve();
    await first;
    expect(await statusOf(device, exportId)).toEqual({ ...done, downloadUrl: expect.any(String) });
    expect(await storedExports(server)).toHaveLength(1);
    expect(await waitingKeys(server)).toEqual([]);
    expect(await jobs()).toMatchObject([{ state: "done" }]);
    expect(await mails()).toEqual([
      {
        payload: {
          template: "export-ready",
          to: { ownerId: device.person.userId },
          values: { format: "JSON", size: done.fileSize, link: null, expires: done.expiresAt },
        },
      },
    ]);
  });

  test("for an account that is erased meanwhile leaves nothing", async () => {
    const gate = Promise.withResolvers<void>();
    storage.hold = gate.promise;
    await requestExport(device);
    const run = worker.runDue();
    await until(() => storage.begun === 1);
    expect((await device.request("DELETE", "/user", { password: goodPassword })).status).toBe(204);
    gate.resolve();
    await run;
    expect([await storedExports(server), await waitingKeys(server)]).toEqual([[], []]);
    expect(await jobs()).toEqual([]);
  });

  test("whose end the database wrote down, but could not tell, leaves its file alone", async () => {
    const { exportId } = await requestExport(device);
    const { context } = server;
    let lost = 0;
    const forgetful = new Proxy(context.db, {
      get(db, name) {
        if (name !== "transaction") return Reflect.get(db, name);
        const run: typeof db.transaction = async (work, options) => {
          const done = await db.transaction(work, options);
          if (options !== undefined || lost++ > 0) return done;
          throw new Error("the connection is gone");
        };
        return run;
      },
    });
    const nothing = async () => null;
    const kind = defineExportJob({ ...context, db: forgetful, onReady: nothing, room: nothing });
    worker = new JobWorker({ db: context.db, log: context.log, kinds: [kind] });
    await worker.runDue();
    expect([lost, await jobs()]).toMatchObject([1, [{ state: "waiting", attempts: 1 }]]);
    await hurry();
    await worker.runDue();
    const { status, downloadUrl, fileSize } = await statusOf(device, exportId);
    expect(status).toBe("COMPLETED");
    const bytes = await (await fetch(linkAt(server, downloadUrl))).bytes();
    expect(bytes.byteLength).toBe(fileSize);
    expect(await waitingKeys(server)).toEqual([]);
  });

  test("that the disk has no room for is not begun: the database may lie on the same one", async () => {
    const picture = newJpeg();
    await uploadPicture(server, device, saying("photo_1"), picture);
    const free = picture.byteLength - 1;
    const parts = { ...server.context, onReady: async () => {}, room: async () => free };
    const { db, log } = server.context;
    worker = new JobWorker({ db, log, kinds: [defineExportJob(parts)] });
    storage.begun = 0;
    const { exportId } = await requestExport(device);
    await worker.runDue();
    expect([storage.begun, await jobs()]).toMatchObject([0, [{ state: "waiting", attempts: 1 }]]);
    expect((await statusOf(device, exportId)).status).toBe("PROCESSING");
    await device.rows(sql`UPDATE jobs SET run_at = now() + interval '1 hour'`);
    const without = await requestExport(device, { includePhotos: false });
    await worker.runDue();
    expect((await statusOf(device, without.exportId)).status).toBe("COMPLETED");
  });

  test("that ends while its account is being erased leaves nothing", async () => {
    const { exportId } = await requestExport(device);
    const key = newKey("exports");
    await announce(server.context.db, key);
    await storage.put(key, new Blob(["x"]).stream());
    const { userId } = device.person;
    const ending = await holdTransaction(server, async (tx) => {
      await completeExport(tx, userId, exportId, { key, size: 1, sha256: "ab".repeat(32) });
      await claim(tx, key);
      await enqueue(tx, { kind: "mail", ownerId: userId });
    });
    const erased = device.request("DELETE", "/user", { password: goodPassword });
    await untilWaiting(server);
    await ending.commit();
    expect((await erased).status).toBe(204);
    expect([await storedExports(server), await waitingKeys(server)]).toEqual([[], []]);
  });

  test("whose lines in the books the sweeper took is tried again", async () => {
    const gate = Promise.withResolvers<void>();
    storage.hold = gate.promise;
    const { exportId } = await requestExport(device);
    const run = worker.runDue();
    await until(() => storage.begun === 1);
    await device.rows(sql`UPDATE unreferenced_objects SET due_at = now()`);
    expect(await server.context.sweeper.deleteDue()).toBe(1);
    gate.resolve();
    await run;
    expect([await storedExports(server), await waitingKeys(server)]).toEqual([[], []]);
    expect(await jobs()).toMatchObject([{ state: "waiting", attempts: 1 }]);
    await hurry();
    await worker.runDue();
    expect((await statusOf(device, exportId)).status).toBe("COMPLETED");
  });
});

test("what a database that was restored does not know of goes after a week", async () => {
  const [old = "", young = ""] = [newKey("exports"), newKey("exports")];
  for (const key of [old, young]) await storage.put(key, new Blob(["x"]).stream());
  const found = await Array.fromAsync(new Bun.Glob(`**/${old.split("/")[1]}`).scan(storage.root));
  const weekAgo = new Date(Date.now() - 8.5 * 86_400_000);
  for (const path of found) await utimes(`${storage.root}/${path}`, weekAgo, weekAgo);
  await server.context.sweeper.run();
  expect(await storedExports(server)).toEqual([young]);
});

test("what the books have stays, whatever the clock said when it was written", async () => {
  const { exportId } = await requestExport(device);
  await worker.runDue();
  const [key = ""] = await storedExports(server);
  const found = await Array.fromAsync(new Bun.Glob(`**/${key.split("/")[1]}`).scan(storage.root));
  for (const path of found) await utimes(`${storage.root}/${path}`, 0, 0);
  await server.context.sweeper.run();
  expect(await storedExports(server)).toEqual([key]);
  const { downloadUrl } = await statusOf(device, exportId);
  expect((await fetch(linkAt(server, downloadUrl))).status).toBe(200);
});

test("what is logged names nobody's journal", async () => {
  storage.breaks = true;
  await requestExport(device);
  await worker.runDue();
  // Their times may well look like a place.
  const lines = JSON.stringify(server.logs.map(({ time: _time, durationMs: _duration, ...line }) => line));
  for (const secret of [device.person.email, "canary-9f31c2", "48.1"]) expect(lines).not.toContain(secret);
});

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { makeNightlyBackup } from "../../src/backup/nightly.ts";
import { connect, parseDatabaseUrl } from "../../src/database/client.ts";
import { enqueue } from "../../src/jobs/queue.ts";
import { instantHasher } from "../accounts/people.ts";
import { createTestDatabase } from "../support/shared-postgres.ts";
import { newDevice } from "../support/sync-client.ts";
import { location, track, visit } from "../support/sync-entities.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { type Scrape, scrape, scrapeText, seriesOf } from "./scrape.ts";

const open = (...[config, parts]: Parameters<typeof startTestServer>) =>
  startTestServer({ metricsEnabled: true, ...config }, { hasher: instantHasher, ...parts });

describe("a server that is used", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await open();
  });
  afterAll(() => server.stop());

  test("counts what phones send, and what becomes of it", async () => {
    const ada = await newDevice(server);
    const points = track(3, "p");
    await ada.sync({ locations: points, placeVisits: [visit("v1")] });
    await ada.delta({ localChanges: { locations: points, trips: [{ id: "no trip" }] } });
    const other = await ada.another();
    await other.delta({ localChanges: { placeVisits: [visit("v1", { placeName: "Elsewhere" })] } });
    const batch = {
      deviceId: ada.id,
      locations: [location("p-9", { latitude: 1 }), { id: "bad" }, ...points],
    };
    await ada.call("POST", "/locations/batch", batch);
    await ada.call("DELETE", "/locations/p-1");
    const found = await scrape(server);
    const counted = (kind: string) =>
      ["written", "unchanged", "conflict", "rejected"].map((outcome) =>
        found.get(`trailglass_sync_changes_total{kind="${kind}",outcome="${outcome}"}`),
      );
    expect(counted("locations")).toEqual([5, 6, 0, 1]);
    expect(counted("placeVisits")).toEqual([1, 0, 1, 0]);
    expect(counted("trips")).toEqual([0, 0, 0, 1]);
    expect(found.get('trailglass_sync_conflicts_total{kind="placeVisits"}')).toBe(1);
    expect(found.get("trailglass_points_received_total")).toBe(4);
    const last = found.get("trailglass_last_sync_timestamp_seconds") ?? 0;
    expect(Math.abs(last - Date.now() / 1000)).toBeLessThan(600);
  });

  test("counts nothing of what was undone", async () => {
    const ben = await newDevice(server);
    await ben.rows(sql`ALTER TABLE trips RENAME TO trips_away`);
    const trip = { id: "t", name: "a", startDate: "2025-01-01T00:00:00Z", endDate: "2025-01-01T00:00:00Z" };
    const failed = await ben.sendDelta({ localChanges: { locations: [location("b-1")], trips: [trip] } });
    await ben.rows(sql`ALTER TABLE trips_away RENAME TO trips`);
    expect(failed.status).toBe(500);
    const name = "trailglass_points_received_total";
    expect((await scrape(server)).get(name)).toBe(4);
  });

  test("names routes, never paths: strangers make up no series", async () => {
    for (let index = 0; index < 30; index++) {
      await server.request("GET", `/trips/${crypto.randomUUID()}`);
      await fetch(`${server.url}/${crypto.randomUUID()}`);
    }
    for (const method of ["PROPFIND", "MKCOL", "SEARCH", "LOCK", "REPORT", "COPY"])
      await fetch(`${server.url}/nothing`, { method });
    const counts = seriesOf(await scrape(server), "trailglass_http_request_duration_seconds_count");
    const among = (label: string) => counts.filter((key) => key.includes(label));
    expect(among('route="/api/v1/trips/:id"')).toHaveLength(1);
    expect(among('route="unknown"').length).toBeLessThanOrEqual(2);
    expect(counts.join()).not.toMatch(/PROPFIND|[0-9a-f]{8}-/);
    expect(counts.length).toBeLessThan(30);
  });

  test("measures jobs", async () => {
    await enqueue(server.context.db, { kind: "clear-tokens" });
    await server.context.worker.runDue();
    await enqueue(server.context.db, { kind: "clear-jobs" });
    await server.context.db.execute(
      sql`UPDATE jobs SET run_at = now() - interval '1 hour' WHERE kind = 'clear-jobs'`,
    );
    const found = await fresh(server);
    expect(found.get('trailglass_jobs{kind="clear-tokens",state="done"}')).toBe(1);
    expect(found.get('trailglass_jobs{kind="clear-jobs",state="waiting"}')).toBe(1);
    expect(found.get('trailglass_job_duration_seconds_count{kind="clear-tokens",state="done"}')).toBe(1);
    expect(found.get("trailglass_jobs_waiting_seconds")).toBeGreaterThan(3500);
  });

  test("knows how old its backups are", async () => {
    const before = await scrape(server);
    expect(before.get("trailglass_backup_age_seconds")).toBe(Number.POSITIVE_INFINITY);
    expect(before.get("trailglass_backup_proven_age_seconds")).toBe(Number.POSITIVE_INFINITY);
    const own = await open({ dataDir: server.config.dataDir });
    await makeNightlyBackup(own.context);
    const found = await scrape(own);
    await own.stop();
    expect(found.get("trailglass_backup_age_seconds")).toBeLessThan(600);
  });

  test("says what it is, and how its machine is", async () => {
    const found = await scrape(server);
    expect(seriesOf(found, "trailglass_build_info")[0]).toMatch(/version="\d.*commit="\w.*bun="\d/);
    for (const name of [
      "process_resident_memory_bytes",
      "process_cpu_seconds_total",
      "process_open_fds",
      "process_start_time_seconds",
      "trailglass_disk_free_bytes",
      "trailglass_disk_size_bytes",
      "trailglass_database_connections_max",
      'trailglass_database_connections{state="active"}',
      'trailglass_disk_written_bytes_total{by="database_log"}',
    ])
      expect([name, (found.get(name) ?? 0) > 0]).toEqual([name, true]);
    expect(found.get('trailglass_component_ok{component="database"}')).toBe(1);
    expect(new Set(seriesOf(found, "trailglass_source_ok").map((key) => found.get(key)))).toEqual(
      new Set([1]),
    );
  });
});

/** A scrape that does not go back to what another one has found. */
async function fresh(server: TestServer): Promise<Scrape> {
  const { metrics } = server.context;
  await metrics?.look();
  return scrape(server);
}

describe("a scrape", () => {
  test("of a server whose database is away tells what is left", async () => {
    const own = await createTestDatabase();
    const database = connect(parseDatabaseUrl(own.url), 2);
    const server = await open({}, { database });
    await database.close();
    const found = await scrape(server);
    await server.stop();
    await own.drop();
    for (const [source, ok] of [
      ["database", 0],
      ["jobs", 0],
      ["devices", 0],
      ["health", 1],
      ["disk", 1],
    ] as const)
      expect([source, found.get(`trailglass_source_ok{source="${source}"}`)]).toEqual([source, ok]);
    expect(found.get('trailglass_component_ok{component="database"}')).toBe(0);
    expect(found.get("process_resident_memory_bytes")).toBeGreaterThan(0);
    expect(seriesOf(found, "trailglass_database_connections")).toEqual([]);
    expect(seriesOf(found, "trailglass_jobs_waiting_seconds")).toEqual([]);
    expect(seriesOf(found, "trailglass_last_sync_timestamp_seconds")).toEqual([]);
    expect(seriesOf(found, "trailglass_disk_written_bytes_total")).toEqual([
      'trailglass_disk_written_bytes_total{by="server"}',
    ]);
  });

  test("does not wait for what hangs", async () => {
    const server = await open();
    const blocker = connect(parseDatabaseUrl(server.databaseUrl), 1);
    const told = Promise.withResolvers<void>();
    const locked = Promise.withResolvers<void>();
    const holding = blocker.db.transaction(async (tx) => {
      await tx.execute(sql`LOCK TABLE devices, jobs IN ACCESS EXCLUSIVE MODE`);
      locked.resolve();
      await told.promise;
    });
    await locked.promise;
    const found = await scrape(server);
    expect(found.get('trailglass_source_ok{source="devices"}')).toBe(0);
    expect(found.get('trailglass_source_ok{source="database"}')).toBe(1);
    told.resolve();
    await holding;
    await blocker.close();
    await server.stop();
  });

  test("by several at once asks the database once", async () => {
    const server = await open();
    const texts = await Promise.all(Array.from({ length: 5 }, () => scrapeText(server)));
    const at = (text: string) =>
      /^trailglass_disk_written_bytes_total\{by="database_log"\} .*$/m.exec(text)?.[0];
    expect(new Set(texts.map(at)).size).toBe(1);
    await server.stop();
  });

  test("counts what the storage could not do, and no more", async () => {
    const away = { storageEndpoint: "http://127.0.0.1:9", storageAccessKey: "a", storageSecretKey: "b" };
    const server = await open({ storageBackend: "s3", ...away });
    const { storage } = server.context;
    await storage.stat(`probes/${"1".repeat(32)}`).catch(() => {});
    await storage.delete(`probes/${"1".repeat(32)}`).catch(() => {});
    expect(storage.backend).toBe("s3");
    const found = await scrape(server);
    await server.stop();
    // Health itself has looked as well.
    expect(found.get('trailglass_storage_errors_total{operation="stat"}')).toBe(2);
    expect(found.get('trailglass_storage_errors_total{operation="delete"}')).toBe(1);
    expect(found.get('trailglass_storage_errors_total{operation="put"}')).toBe(0);
    expect(found.get('trailglass_component_ok{component="storage"}')).toBe(0);
  });
});

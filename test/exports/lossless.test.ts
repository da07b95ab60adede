import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Ajv2020 } from "ajv/dist/2020";
import { sql } from "drizzle-orm";
import { jsonFileName } from "../../src/exports/json/files.ts";
import { Snapshot } from "../../src/exports/snapshot.ts";
import { datasets } from "../../src/exports/sources.ts";
import { type PictureServer, startPictureServer, upload } from "../storage/picture-server.ts";
import { type Device, type Json, newDevice } from "../support/sync-client.ts";
import { photo, visit } from "../support/sync-entities.ts";
import { exportFiles, type Files, orderOf, readJson } from "./archives.ts";
import { liveALife } from "./journal.ts";
import { rebuild, said, stored, wholeTables } from "./rebuild.ts";

const seed = Number(process.env.TEST_SEED || Math.floor(Math.random() * 1e9));

let server: PictureServer;
let device: Device;
let files: Files;
beforeAll(async () => {
  console.log(`TEST_SEED=${seed}`);
  server = await startPictureServer("directory");
  device = await liveALife(server, seed);
  files = await exportFiles(server, orderOf(device));
});
afterAll(() => server.stop());

const sha256Of = (bytes: Uint8Array) => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

describe("nothing is lost", () => {
  test("the journal has everything that there can be", () => {
    const counts = readJson(files, "export.json").files;
    for (const dataset of datasets)
      expect([dataset, counts[jsonFileName(dataset)].rows]).not.toEqual([dataset, 0]);
    const conflicts: Json[] = readJson(files, "conflicts.json");
    expect(new Set(conflicts.map(({ status }) => status))).toEqual(new Set(["open", "resolved"]));
    const deletedKinds = new Set(readJson(files, "deleted.json").map(({ kind }: Json) => kind));
    expect(deletedKinds.size).toBeGreaterThan(3);
    expect(readJson(files, "trip-members.json").some(({ removed }: Json) => removed)).toBe(true);
    expect(readJson(files, "locations.json").some(({ lastModified }: Json) => lastModified === null)).toBe(
      true,
    );
  });

  test.each(wholeTables.map((name) => [name]))("every column of every row of %s", async (table) => {
    const expected = await stored(server.context.db, table, device.person.userId);
    const columns = new Set(expected.flatMap((row) => Object.keys(row)));
    const rebuilt = rebuild(files, table);
    // A column that no entry ever names is lost, even where it happens to be empty.
    const named = new Set(rebuilt.flatMap((row) => Object.keys(row)));
    expect([...columns].filter((column) => !named.has(column))).toEqual([]);
    expect(said(rebuilt)).toEqual(said(expected));
  });

  test("the bytes of every picture, and what is known of them", async () => {
    const rows = await device.rows<Json>(sql`
      SELECT to_jsonb(f) - 'user_id' || to_jsonb(o) - 'user_id' - 'key' - 'used_at' || jsonb_build_object('sha256', encode(o.sha256, 'hex')) AS row
      FROM photo_files f JOIN stored_objects o USING (user_id, sha256) JOIN photos p ON p.user_id = f.user_id AND p.id = f.photo_id
      WHERE f.user_id = ${device.person.userId} AND p.deleted_at IS NULL`);
    const exported: Json[] = readJson(files, "photos.json").filter(({ file }: Json) => file);
    expect(exported).toHaveLength(rows.length);
    expect(rows).toHaveLength(3);
    for (const { row } of rows) {
      const { file } = exported.find(({ id }) => id === row.photo_id) ?? {};
      expect(sha256Of(files.get(file.path) ?? Buffer.alloc(0))).toBe(row.sha256);
      const { sha256, size, mediaType, said: beside, facts, previewProblem } = file;
      const { said, media_type, preview_problem } = row;
      expect({ sha256, size, mediaType, said: beside, facts, previewProblem }).toEqual({
        sha256: row.sha256,
        size: row.size,
        mediaType: media_type,
        said,
        facts: row.facts,
        previewProblem: preview_problem,
      });
      expect(file.attachedAt.replace("Z", "")).toBe(row.attached_at.replace("+00:00", ""));
      expect(file.storedAt.replace("Z", "")).toBe(row.stored_at.replace("+00:00", ""));
    }
    const paths = exported.map(({ file }) => file.path);
    expect(new Set(paths.map((path) => path.toLowerCase())).size).toBe(paths.length);
    expect(
      readJson(files, "export.json")
        .pictures.map(({ path }: Json) => path)
        .toSorted(),
    ).toEqual(paths.toSorted());
  });

  test("devices, the account, and its newest version", async () => {
    const [user] = await device.rows<Json>(sql`
      SELECT to_jsonb(u) AS row, v.version FROM users u JOIN sync_versions v ON v.user_id = u.id WHERE id = ${device.person.userId}`);
    const { account, syncVersion, missing, range } = readJson(files, "export.json");
    expect(account).toEqual({
      email: user.row.email,
      displayName: user.row.display_name,
      createdAt: user.row.created_at.replace("+00:00", "Z"),
      photo: "profile.jpg",
    });
    expect([syncVersion, missing, range]).toEqual([user.version, [], null]);
    expect(files.get("profile.jpg")?.subarray(0, 3)).toEqual(Buffer.from([255, 216, 255]));
    const devices = await stored(server.context.db, "devices", device.person.userId);
    const exported = readJson(files, "devices.json").map(({ deviceId, syncVersion: upTo }: Json) => [
      deviceId,
      upTo,
    ]);
    expect(exported.toSorted()).toEqual(devices.map((row) => [row.device_id, row.sync_version]).toSorted());
  });

  test("envelopes come byte for byte", async () => {
    const rows = await stored(
      server.context.db,
      "encrypted_sync_data",
      device.person.userId,
      sql`AND deleted_at IS NULL`,
    );
    const exported: Json[] = readJson(files, "encrypted.json");
    expect(exported.map(({ encryptedData }) => encryptedData).toSorted()).toEqual(
      rows.map((row) => String(row.encrypted_data)).toSorted(),
    );
  });
});

describe("the files", () => {
  test("are valid against schema.json, and the schema is not just anything", () => {
    const schema = readJson(files, "schema.json");
    const ajv = new Ajv2020({ allErrors: true, strict: true });
    ajv.addSchema(schema, "schema.json");
    const check = (name: string, data: unknown) => {
      const validate = ajv.getSchema(`schema.json#/$defs/${name}`);
      if (!validate) throw new Error(`no schema of ${name}`);
      return validate(data) ? null : ajv.errorsText(validate.errors);
    };
    for (const name of [...datasets.map(jsonFileName), "export.json"]) {
      const data = readJson(files, name);
      expect([name, check(name, data)]).toEqual([name, null]);
      const first = Array.isArray(data) ? data[0] : data;
      for (const key of Object.keys(first)) {
        const { [key]: _taken, ...less } = first;
        const damaged = Array.isArray(data) ? [less] : less;
        expect([name, key, check(name, damaged)]).not.toEqual([name, key, null]);
      }
      const more = { ...first, more: 1 };
      expect(check(name, Array.isArray(data) ? [more] : more)).not.toBeNull();
    }
  });

  test("have an entry a line", () => {
    for (const dataset of datasets) {
      const lines = files.get(jsonFileName(dataset))?.toString().trimEnd().split("\n") ?? [];
      const entries = readJson(files, jsonFileName(dataset));
      expect(lines.slice(1, -1).map((line) => JSON.parse(line.replace(/,$/, "")))).toEqual(entries);
    }
  });

  test("say nothing that opens a door", async () => {
    const secrets = await device.rows<{ secret: string }>(sql`
      SELECT key AS secret FROM stored_objects WHERE user_id = ${device.person.userId}
      UNION SELECT password_hash FROM user_credentials WHERE user_id = ${device.person.userId}
      UNION SELECT session_id::text FROM devices WHERE user_id = ${device.person.userId}
      UNION SELECT encode(token_hash, 'hex') FROM refresh_tokens WHERE user_id = ${device.person.userId}`);
    expect(secrets.length).toBeGreaterThan(5);
    const all = [...files.values()].map((bytes) => bytes.toString("latin1")).join("\n");
    for (const { secret } of secrets) expect(all).not.toContain(secret);
  });
});

test("two accounts with the same ids do not mix", async () => {
  const other = await newDevice(server);
  await other.sync({ placeVisits: [visit("visit_1", { notes: "not Ada's" })], photos: [photo("photo_2")] });
  await upload(other, "photo_2");
  const theirs = await exportFiles(server, orderOf(other));
  expect(readJson(theirs, "place-visits.json").map(({ id, notes }: Json) => [id, notes])).toEqual([
    ["visit_1", "not Ada's"],
  ]);
  expect(readJson(theirs, "photos.json")).toHaveLength(1);
  const again = await exportFiles(server, orderOf(device));
  for (const dataset of datasets) {
    if (dataset === "devices") continue;
    expect(again.get(jsonFileName(dataset))).toEqual(files.get(jsonFileName(dataset)) as Buffer);
  }
});

test("all rows are of one moment, whatever is written meanwhile", async () => {
  const writer = await newDevice(server);
  await writer.sync({ placeVisits: [visit("first")] });
  await Snapshot.read(server.context, orderOf(writer), async (snapshot) => {
    for (const [number, dataset] of datasets.entries()) {
      const before = [`photo_${number}`];
      await writer.sync({
        photos: [photo(`photo_${number}`)],
        placeVisits: [visit(`v_${number}`, { photos: before })],
      });
      await writer.request("DELETE", "/place-visits/first");
      const rows = await Array.fromAsync(snapshot.records(dataset));
      if (dataset !== "devices")
        expect(rows.map(({ id }) => id)).toEqual(dataset === "placeVisits" ? ["first"] : []);
    }
    expect(snapshot.account.syncVersion).toBe(1);
  });
});

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { crc32, deflateRawSync } from "node:zlib";
import { sql } from "drizzle-orm";
import { ImportError } from "../../src/exports/import/import-error.ts";
import { login } from "../accounts/people.ts";
import {
  keyOf,
  newPicture,
  type PictureServer,
  setAvatar,
  startPictureServer,
  upload,
} from "../storage/picture-server.ts";
import { Device, type Json, newDevice } from "../support/sync-client.ts";
import {
  attachment,
  deleted,
  envelope,
  location,
  minute,
  photo,
  trip,
  visit,
} from "../support/sync-entities.ts";
import { exportBytes, type Files, orderOf, readJson } from "./archives.ts";
import {
  createAccount,
  type Empty,
  everythingOf,
  exported,
  importInto,
  newFolder,
  zipped,
} from "./importing.ts";

/* Files from anywhere: what is not an export is refused with a reason, and changes nothing. */
setDefaultTimeout(60_000);

let server: PictureServer;
let folder: Awaited<ReturnType<typeof newFolder>>;
let source: Device;
let files: Files;
let receiver: Empty;
/** Path of the archive's only picture. */
let picture: string;

/** Text that means something to COPY, to JSON, and to spreadsheets. */
const awkward = 'a\ttab, \\N, \\., \\x41, a\nline\r\nor two, "quotes" \u2028 \u{1f3d4}\ufe0f \\';

/** An account with a little of everything. */
async function liveALittle(): Promise<Device> {
  const device = await newDevice(server);
  await device.sync({
    locations: [location("here"), location("there", { timestamp: minute(5) })],
    placeVisits: [visit("visit", { notes: awkward, photos: ["photo"] }), visit("gone"), visit("fought")],
    trips: [trip("trip", { placeVisits: ["visit"] })],
    photos: [photo("photo", { caption: "first" }), photo("bare")],
    photoAttachments: [attachment("attached", "photo", "visit")],
    tripDays: [
      {
        id: "day",
        tripId: "trip",
        date: "2025-04-01",
        notes: null,
        localVersion: 1,
        lastModified: minute(0),
      },
    ],
    settings: { appearanceSettings: { theme: "DARK" }, lastModified: minute(0) },
  });
  await upload(device, "photo");
  await setAvatar(device);
  await device.sync({ placeVisits: [deleted(visit("gone", { serverVersion: device.cursor }))] });
  const other = await device.another();
  await other.sync();
  const edit = (notes: string, at: number) =>
    visit("fought", { notes, localVersion: 2, serverVersion: 1, lastModified: minute(at) });
  await device.sync({ placeVisits: [{ ...edit("mine", 1), serverVersion: device.cursor }] });
  await other.sync({ placeVisits: [edit("theirs", 2)] });
  await device.sync({ trips: [envelope("sealed", "secret")] }, { isEncrypted: true });
  return device;
}

beforeAll(async () => {
  server = await startPictureServer("directory");
  folder = await newFolder();
  source = await liveALittle();
  ({ files } = await exported(source));
  picture = readJson(files, "photos.json").find(({ file }: Json) => file).file.path;
  receiver = await createAccount(server);
});
afterAll(async () => {
  await server?.stop();
  await folder?.remove();
});

type Change = (rows: Json) => unknown;
type Changes = Record<string, Change | string | Uint8Array | null>;

/** The files with some of them changed: their content as JSON, or altogether; null takes one away. */
function changed(changes: Changes): Map<string, Uint8Array | string> {
  const made = new Map<string, Uint8Array | string>(files);
  for (const [name, change] of Object.entries(changes)) {
    if (change === null) made.delete(name);
    else if (typeof change !== "function") made.set(name, change);
    else {
      const json = readJson(files, name);
      made.set(name, JSON.stringify(change(json) ?? json));
    }
  }
  return made;
}

const archiveOf = async (changes: Changes) => folder.write(await zipped(changed(changes)));

async function refusalOf(path: string): Promise<string> {
  const error = await importInto(server, receiver, path).then(
    () => new Error("it was imported"),
    (failed: Error) => failed,
  );
  expect(error).toBeInstanceOf(ImportError);
  return error.message;
}

async function expectNothing(): Promise<void> {
  const found = await everythingOf(server.context.db, receiver.userId);
  expect(Object.values(found).flat()).toEqual([]);
  const [state] = await source.rows<Json>(sql`
    SELECT version, (SELECT avatar_key FROM users WHERE id = user_id) AS avatar, (SELECT count(*) FROM unreferenced_objects) AS waiting
    FROM sync_versions WHERE user_id = ${receiver.userId}`);
  expect(state).toEqual({ version: 0, avatar: null, waiting: 0 });
}

/** Changes keys of the first row that has these already. */
const first =
  (change: Json, where: (row: Json) => boolean = () => true): Change =>
  (rows) => {
    const row = rows.find(where);
    if (!row) throw new Error("no such row");
    Object.assign(row, typeof change === "function" ? change(row) : change);
  };
const sideWith = (content: Json) =>
  first(({ local }: Json) => ({ local: { ...local, content: { ...local.content, ...content } } }));
const lone = "\ud83d";

const badRows: readonly [what: string, file: string, change: Change, message: string][] = [
  [
    "a key that no row has",
    "trips.json",
    first({ userId: "b" }),
    'trips.json, row 1: row: Unrecognized key: "userId"',
  ],
  ["a key that is missing", "trips.json", first({ notes: undefined }), "notes"],
  ["an id with a path in it", "trips.json", first({ id: "../../etc/passwd" }), "trips.json, row 1: id"],
  [
    "a text that is too long",
    "place-visits.json",
    first({ notes: "x".repeat(20_001) }),
    "notes: must have at most 20000",
  ],
  ["U+0000", "place-visits.json", first({ notes: "a\0b" }), "U+0000"],
  ["half of a surrogate pair", "photo-attachments.json", first({ caption: lone }), "surrogate"],
  [
    "a place beyond the poles",
    "locations.json",
    first({ latitude: 90.5 }),
    "locations.json, row 1: latitude",
  ],
  ["a number that is none", "trips.json", first({ totalDistance: "1" }), "totalDistance"],
  [
    "an end before the beginning",
    "trips.json",
    first({ endDate: "2020-01-01T00:00:00Z" }),
    "endDate: is before startDate",
  ],
  [
    "a day that no calendar has",
    "trips.json",
    first({ createdAt: "2025-02-30T00:00:00Z" }),
    "createdAt: must be an instant",
  ],
  [
    "an hour that no clock has",
    "trips.json",
    first({ lastModified: "2025-02-01T25:00:00Z" }),
    "lastModified",
  ],
  ["a date of 31 February", "trip-days.json", first({ date: "2025-02-31" }), "date: must be a date"],
  ["a point without a device", "locations.json", first({ deviceId: null }), "deviceId: is missing"],
  ["version 0", "trips.json", first({ serverVersion: 0 }), "serverVersion: is no version"],
  [
    "a version near the end of all numbers",
    "trips.json",
    first({ serverVersion: 9e14 }),
    "serverVersion: is no version",
  ],
  [
    "an edit after its delivery",
    "trips.json",
    first((row: Json) => ({ editedVersion: row.serverVersion + 1 })),
    "editedVersion: is after",
  ],
  [
    "a device with a version too large",
    "devices.json",
    first({ syncVersion: 9e14 }),
    "devices.json, row 1: syncVersion",
  ],
  ["a name that is too long", "devices.json", first({ deviceName: "x".repeat(201) }), "deviceName"],
  ["settings under another id", "settings.json", first({ id: "other" }), "settings.json, row 1: id"],
  [
    "a group that lacks something",
    "settings.json",
    first({ appearanceSettings: { theme: "DARK" } }),
    "appearanceSettings.accentColor: is missing",
  ],
  [
    "a group with something more",
    "settings.json",
    first((row: Json) => ({ appearanceSettings: { ...row.appearanceSettings, x: 1 } })),
    "appearanceSettings.x: is not known",
  ],
  ["stamps of no group", "settings.json", first({ groupStamps: { other: { version: 1 } } }), "groupStamps"],
  [
    "a stamp in the far future",
    "settings.json",
    first({
      groupStamps: { appearanceSettings: { version: 9e14, lastModified: minute(0), deviceId: null } },
    }),
    "groupStamps.appearanceSettings.version",
  ],
  [
    "ciphertext that is none",
    "encrypted.json",
    first({ encryptedData: "<script>" }),
    "encryptedData: must be iv:tag:ciphertext",
  ],
  [
    "what came with a picture, and more",
    "photos.json",
    first(
      (row: Json) => ({ file: { ...row.file, said: { caption: "a", url: "x" } } }),
      (row) => row.file,
    ),
    "file.said",
  ],
  ["links of what has none", "deleted.json", first({ photoId: "photo" }), "only a deleted attachment"],
  [
    "a side with a link of its own",
    "conflicts.json",
    sideWith({ url: "javascript:alert(1)" }),
    "local.content.url: is not known",
  ],
  [
    "a side that no phone could send",
    "conflicts.json",
    sideWith({ confidence: 7 }),
    "local.content.confidence",
  ],
  ["an unknown kind of conflict", "conflicts.json", first({ type: "OTHER" }), "conflicts.json, row 1: type"],
  [
    "a resolution with anything in it",
    "conflicts.json",
    first({ resolutionDetail: { answer: { syncVersion: 9 } } }),
    "resolutionDetail",
  ],
  [
    "two rows with one id",
    "trips.json",
    (rows) => rows.push({ ...rows[0], serverVersion: 999 }),
    "trips.json, row 2: its id is there twice",
  ],
  [
    "one id in clear and encrypted",
    "encrypted.json",
    first({ kind: "trips", id: "trip" }),
    "its id is there twice",
  ],
  ["one id live and deleted", "deleted.json", first({ id: "visit" }), "its id is there twice"],
  [
    "two rows under one version",
    "trips.json",
    first(() => ({ serverVersion: readJson(files, "locations.json")[0].serverVersion, editedVersion: 1 })),
    "serverVersion: another row has the same",
  ],
  [
    "the same point twice",
    "locations.json",
    (rows) => rows.push({ ...rows[0], id: "again", serverVersion: 999 }),
    "is the same point as another row",
  ],
  [
    "a device that is not listed",
    "trips.json",
    first({ deviceId: crypto.randomUUID() }),
    "deviceId: is of a device",
  ],
  ["a device twice", "devices.json", (rows) => rows.push(rows[0]), "devices.json, row 3: is there twice"],
  [
    "a link twice",
    "trip-members.json",
    (rows) => rows.push(rows[0]),
    "trip-members.json, row 2: is there twice",
  ],
  [
    "a conflict twice",
    "conflicts.json",
    (rows) => rows.push({ ...rows[0], status: "resolved" }),
    "its id is there twice",
  ],
  [
    "two open conflicts about one thing",
    "conflicts.json",
    (rows) => rows.push({ ...rows[0], id: crypto.randomUUID() }),
    "another open conflict",
  ],
];

/** The manifest has to say as many rows, or that alone would be a reason. */
function recount(file: string, change: Change): Changes {
  const rows = readJson(files, file);
  change(rows);
  const count = (manifest: Json) => {
    manifest.files[file].rows = rows.length;
  };
  return { [file]: JSON.stringify(rows), "export.json": count };
}

describe("rows that no server wrote", () => {
  test.each(badRows)("%s", async (_what, file, change, message) => {
    expect(await refusalOf(await archiveOf(recount(file, change)))).toContain(message);
    await expectNothing();
  });

  test("are told with their places, the first twenty", async () => {
    const many = (rows: Json) => Array.from({ length: 50 }, () => ({ ...rows[0], name: 1 }));
    const message = await refusalOf(await archiveOf({ "trips.json": many }));
    const told = message.split("\n").filter((line) => line.startsWith("  "));
    expect([told.length, told[0]?.slice(0, 27)]).toEqual([20, "  trips.json, row 1: name: "]);
    expect(message).toContain("the first 20 of its problems");
    expect(message).toContain("--salvage");
  });

  test("say nothing to a terminal", async () => {
    const message = await refusalOf(await archiveOf({ "trips.json": first({ "\u001b[2Jx": 1 }) }));
    expect(message).not.toContain("\u001b");
    expect(message).toContain("[2Jx");
  });
});

/** The manifest is no list: its keys are changed. */
const inManifest = (change: (json: Json) => void): Changes => ({ "export.json": change });

describe("lists and pictures that are not whole", () => {
  const damaged: readonly [what: string, () => Changes, message: string][] = [
    ["a list that is missing", () => ({ "trips.json": null }), "trips.json: is missing"],
    [
      "a list with fewer rows",
      () => ({ "trips.json": "[]" }),
      "trips.json: has 0 rows, and was written with 1",
    ],
    [
      "a list that ends early",
      () => ({ "trips.json": '[{"id":"a"' }),
      "the file ends in the middle of its list",
    ],
    ["no list", () => ({ "trips.json": '{"id":"a"}' }), "trips.json, row 1: the file is no list"],
    ["a list of something else", () => ({ "trips.json": "[1]" }), "is no object"],
    [
      "something behind a list",
      () => ({ "settings.json": `${files.get("settings.json")}{}` }),
      "is no object, or not well separated",
    ],
    ["an empty file", () => ({ "trips.json": "" }), "the file ends in the middle"],
    ["what is not UTF-8", () => ({ "trips.json": Buffer.from('[{"id":"\xff"}]', "latin1") }), "is not UTF-8"],
    ["what is no JSON", () => ({ "trips.json": "[{'id':1}]" }), "is no JSON"],
    [
      "objects within objects without end",
      () => ({ "trips.json": `[{"id":${"[".repeat(200_000)}${"]".repeat(200_000)}}]` }),
      "trips.json, row 1: has more than 1000 parts",
    ],
    [
      "a row of endless keys",
      () => ({ "trips.json": `[{${Array.from({ length: 200_002 }, (_, key) => `"${key}":1`)}}]` }),
      "trips.json, row 1: has more than 200000 values",
    ],
    [
      "a row of endless length",
      () => ({ "trips.json": `[{"id":"${"x".repeat(9 * 1024 * 1024)}"}]` }),
      "is longer than 8 MB",
    ],
    ["a picture that is missing", () => ({ [picture]: null }), "is missing"],
    ["a picture with other bytes", () => ({ [picture]: newPicture() }), "holds other bytes"],
    ["a longer picture", () => ({ [picture]: newPicture(1000) }), "bytes instead of"],
    ["a profile picture that is missing", () => ({ "profile.jpg": null }), "profile.jpg: is missing"],
    ["a profile picture that is none", () => ({ "profile.jpg": "<html>" }), "profile.jpg: is no picture"],
  ];
  test.each(damaged)("%s", async (_what, changes, message) => {
    expect(await refusalOf(await archiveOf(changes()))).toContain(message);
    await expectNothing();
  });

  test("a picture that is none, though its hash is right", async () => {
    const bytes = Buffer.from("<html><script>alert(1)</script></html>");
    const sha256 = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
    const photos = first(
      (row: Json) => ({ file: { ...row.file, sha256, size: bytes.length } }),
      (row) => row.file,
    );
    expect(await refusalOf(await archiveOf({ "photos.json": photos, [picture]: bytes }))).toContain(
      "Send a JPEG, PNG",
    );
    await expectNothing();
  });

  test("a picture larger than this server takes", async () => {
    const spool = Object.assign(Object.create(server.context.spool), { maxBytes: 50 });
    const { context } = server;
    const small = { ...server, context: { ...context, spool } };
    await expect(importInto(small, receiver, await archiveOf({}))).rejects.toThrow("MAX_PHOTO_SIZE");
    await expectNothing();
  });
});

describe("files that are no export", () => {
  const foreign: readonly [what: string, () => Changes, message: string][] = [
    [
      "another format of ours",
      () => ({ "export.json": null }),
      "is no export of Trailglass in the format JSON",
    ],
    [
      "somebody else's",
      () => ({ "export.json": '{"format":"other","formatVersion":1}' }),
      "is no export of Trailglass",
    ],
    [
      "a later version of the format",
      () => inManifest((json) => Object.assign(json, { formatVersion: 2 })),
      "has version 2 of the format; this program reads version 1",
    ],
    ["a manifest that is no JSON", () => ({ "export.json": "{" }), "export.json is no JSON"],
    [
      "a manifest that lacks something",
      () =>
        inManifest((json) => {
          delete json.files;
        }),
      "export.json: files",
    ],
    [
      "a manifest of very many things",
      () => ({ "export.json": `{"pictures":[${"{},".repeat(600_000)}{}]}` }),
      "export.json lists more than an archive can hold",
    ],
    [
      "a manifest from the end of all numbers",
      () => inManifest((json) => Object.assign(json, { syncVersion: 9e14 })),
      "syncVersion: no account ever came so far",
    ],
  ];
  test.each(foreign)("%s", async (_what, changes, message) => {
    expect(await refusalOf(await archiveOf(changes()))).toContain(message);
  });

  test("no zip file at all, one that was cut off, none, a folder, a device", async () => {
    const whole = await zipped(changed({}));
    const cut = await folder.write(whole.subarray(0, whole.length - 100));
    expect(await refusalOf(cut)).toContain("is no whole zip file");
    expect(await refusalOf(await folder.write(Buffer.from("hello")))).toContain("is no whole zip file");
    expect(await refusalOf(await folder.write(Buffer.alloc(0)))).toContain("is no whole zip file");
    expect(await refusalOf("/nowhere.zip")).toBe("There is no file /nowhere.zip");
    expect(await refusalOf("/")).toBe("/ is no file");
    expect(await refusalOf("/dev/zero")).toBe("/dev/zero is no file");
  });
});

/** An entry of a zip file, with anything that may be said of it. */
interface Raw {
  readonly name: string;
  readonly content: Uint8Array;
  readonly size?: number;
  readonly checksum?: number;
  readonly flags?: number;
}

/** A zip file as no decent program writes it. Source of the layout: PKWARE's APPNOTE.TXT, 4.3. */
function rawZip(entries: readonly Raw[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, size = content.length, checksum = crc32(content), flags = 0 } of entries) {
    const packed = deflateRawSync(content, { level: 9 });
    const bytes = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(flags, 2);
    common.writeUInt16LE(8, 4);
    common.writeUInt32LE(checksum, 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(size, 18);
    common.writeUInt16LE(bytes.length, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), common, bytes, packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\0"), common, tail, bytes]));
    parts.push(local);
    offset += local.length;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(listed.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, listed, Buffer.from("PK\x05\x06"), end]);
}

describe("zip files that were made to do harm", () => {
  const raw = (more: Partial<Record<string, Partial<Raw>>> = {}, extra: readonly Raw[] = []) => {
    const entries = [...files].map(([name, content]) => ({ name, content, ...more[name] }));
    return folder.write(rawZip([...entries, ...extra]));
  };
  const hello = { content: Buffer.from("hello") };

  test("one that is decent is taken", async () => {
    const account = await createAccount(server);
    const extra = [{ name: "somebody's notes.txt", ...hello }];
    expect((await importInto(server, account, await raw({}, extra))).leftOut).toBe(0);
  });

  test("names that lead out of it", async () => {
    for (const name of ["../../evil", "/etc/evil", "C:/evil"])
      expect(await refusalOf(await raw({}, [{ name, ...hello }]))).toContain("is no whole zip file");
  });

  test("a name without an end", async () => {
    const message = await refusalOf(await raw({}, [{ name: "x".repeat(5000), ...hello }]));
    expect(message).toContain("longer than 1000 characters");
  });

  test("one name twice", async () => {
    const [trips = new Uint8Array()] = [files.get("trips.json")];
    expect(await refusalOf(await raw({}, [{ name: "trips.json", content: trips }]))).toContain(
      "holds trips.json twice",
    );
  });

  test("another checksum, and sizes that lie", async () => {
    expect(await refusalOf(await raw({ "trips.json": { checksum: 1 } }))).toContain(
      "trips.json: cannot be read",
    );
    for (const size of [3, 1_000_000])
      expect(await refusalOf(await raw({ "trips.json": { size } }))).toContain("trips.json: cannot be read");
    expect(await refusalOf(await raw({ "trips.json": { flags: 1 } }))).toContain(
      "trips.json: cannot be read",
    );
    await expectNothing();
  });

  test("lists that are a thousand times as long as their archive", async () => {
    expect(await refusalOf(await raw({ "trips.json": { size: 400_000_000 } }))).toContain("no export does");
  });

  test("pictures that are", async () => {
    const content = Buffer.concat([newPicture(), Buffer.alloc(1_000_000)]);
    const size = 45_000_000;
    const names = Array.from({ length: 7 }, (_, number) => `photos/${number}.png`);
    const photos = names.map((path, number) => {
      const [like] = readJson(files, "photos.json").filter(({ file }: Json) => file);
      const file = { ...like.file, path, size, sha256: `${number}`.repeat(64) };
      return { ...like, id: path.slice(7), file, serverVersion: 900 + number };
    });
    const changes = {
      "photos.json": JSON.stringify(photos),
      "export.json": (json: Json) => {
        json.files["photos.json"].rows = photos.length;
      },
    };
    const entries = [...changed(changes)].map(([name, text]) => ({ name, content: Buffer.from(text) }));
    const pictures = names.map((name) => ({ name, content, size }));
    const message = await refusalOf(await folder.write(rawZip([...entries, ...pictures])));
    expect(message).toContain("bytes of pictures: no export does");
    await expectNothing();
  });

  test("a manifest that fills the memory", async () => {
    const manifest = {
      name: "export.json",
      content: files.get("export.json") ?? Buffer.alloc(0),
      size: 65 * 1024 * 1024,
    };
    expect(await refusalOf(await folder.write(rawZip([manifest])))).toContain("is larger than");
    const keys = Array.from({ length: 2000 }, (_, key) => `"${key}":1`);
    const message = await refusalOf(await archiveOf({ "export.json": `{"format":"trailglass",${keys}}` }));
    expect(message).toContain("lists more than an archive can hold");
  });
});

test("an import beside the account that it came from leaves that one alone, and texts as they are", async () => {
  const { db } = server.context;
  const before = await everythingOf(db, source.person.userId);
  const key = await keyOf(source, "photo");
  const account = await createAccount(server);
  const report = await importInto(server, account, await archiveOf({}));
  expect(report).toMatchObject({ leftOut: 0, pictures: 1, withoutPicture: 0 });
  expect(await everythingOf(db, source.person.userId)).toEqual(before);
  expect(await keyOf(source, "photo")).toBe(key as string);
  expect(await everythingOf(db, account.userId)).toEqual(before);
  const [row] = await source.rows<Json>(
    sql`SELECT notes FROM place_visits WHERE user_id = ${account.userId} AND id = 'visit'`,
  );
  expect(row.notes).toBe(awkward);
});

describe("the counter is above whatever a file tells of", () => {
  const stamps = { appearanceSettings: { version: 5000, lastModified: minute(0), deviceId: null } };
  const told: readonly [what: string, file: string, change: Change][] = [
    ["rows", "trips.json", first({ serverVersion: 5000 })],
    ["links", "trip-members.json", first({ version: 5000 })],
    ["devices' cursors", "devices.json", first({ voidCursor: 5000 })],
    ["groups of settings", "settings.json", first({ groupStamps: stamps })],
    ["conflicts", "conflicts.json", first({ reportedVersion: 5000 })],
    ["deletions", "deleted.json", first({ serverVersion: 5000 })],
  ];
  test.each(told)("%s", async (_what, file, change) => {
    const account = await createAccount(server);
    await importInto(server, account, await archiveOf({ [file]: change }));
    const [row] = await source.rows<Json>(
      sql`SELECT version FROM sync_versions WHERE user_id = ${account.userId}`,
    );
    expect(row.version).toBe(1_005_000);
  });

  test("but for cursors that no counter could come to", async () => {
    const account = await createAccount(server);
    await importInto(server, account, await archiveOf({ "devices.json": first({ voidCursor: 9e14 }) }));
    const [row] = await source.rows<Json>(
      sql`SELECT version FROM sync_versions WHERE user_id = ${account.userId}`,
    );
    expect(row.version).toBe(readJson(files, "export.json").syncVersion + 1_000_000);
  });
});

describe("a profile picture", () => {
  const avatarOf = async ({ userId }: Empty) => {
    const [row] = await source.rows<{ key: string }>(
      sql`SELECT avatar_key AS key FROM users WHERE id = ${userId}`,
    );
    const object = await server.context.storage.get(row?.key ?? "");
    return { key: row?.key, bytes: await new Response(object?.body).bytes() };
  };
  const ours = () => new Uint8Array(files.get("profile.jpg") ?? []);

  test("that says more than how it is drawn is made anew", async () => {
    const said = Buffer.from("http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>");
    const segment = Buffer.concat([Buffer.from([0xff, 0xe1, 0, said.length + 2]), said]);
    const withPlace = Buffer.concat([ours().subarray(0, 2), segment, ours().subarray(2)]);
    const withTail = Buffer.concat([ours(), Buffer.from("<script>")]);
    for (const bytes of [withPlace, withTail]) {
      const account = await createAccount(server);
      await importInto(server, account, await archiveOf({ "profile.jpg": bytes }));
      const kept = Buffer.from((await avatarOf(account)).bytes).toString("latin1");
      expect(kept.slice(0, 3)).toBe("\xff\xd8\xff");
      expect(kept).not.toMatch(/xmpmeta|script/);
    }
  });

  test("of the account's own stays", async () => {
    const account = await createAccount(server);
    const device = new Device(server, await login(server, account));
    const key = await setAvatar(device);
    await importInto(server, account, await archiveOf({}));
    expect((await avatarOf(account)).key).toBe(key);
    expect(await source.rows(sql`SELECT key FROM unreferenced_objects WHERE key LIKE 'avatars/%'`)).toEqual(
      [],
    );
  });
});

describe("what is salvaged", () => {
  const salvage = async (changes: Changes) => {
    const account = await createAccount(server);
    const report = await importInto(server, account, await archiveOf(changes), { salvage: true });
    const rows = await everythingOf(server.context.db, account.userId);
    const told = report.problems.map(
      ({ file, row, message }) => `${file}${row === null ? "" : ` ${row}`}: ${message}`,
    );
    return { report, rows, told };
  };

  test("all but rows that do not fit, and pictures that are not whole", async () => {
    const trips = (rows: Json) => [{ ...rows[0], id: "bad", name: 1 }, rows[0], { ...rows[0], id: "twin" }];
    const { rows, told, report } = await salvage({
      "trips.json": trips,
      [picture]: newPicture(),
      "trip-days.json": null,
    });
    expect(told).toEqual([
      expect.stringMatching(/^trips.json 1: name: /),
      "trips.json: has 3 rows, and was written with 1",
      "trip-days.json: is missing",
      "trips.json 3: serverVersion: another row has the same",
      expect.stringContaining("holds other bytes than were exported"),
    ]);
    expect([report.leftOut, report.pictures]).toEqual([5, 0]);
    expect(rows.trips?.map(({ id }) => id)).toEqual(["trip"]);
    expect(rows.photos?.map(({ id }) => id).toSorted()).toEqual(["bare", "photo"]);
    expect([rows.photo_files, rows.trip_days]).toEqual([[], []]);
  });

  test("rows of devices that are not known any more", async () => {
    const { rows, told } = await salvage({ "devices.json": null });
    expect(told[0]).toBe("devices.json: is missing");
    expect(rows.devices).toHaveLength(2);
    expect(rows.location_samples).toHaveLength(2);
  });

  test("rows before those that cannot be read", async () => {
    const lines = files.get("locations.json")?.toString() ?? "";
    const { rows, told } = await salvage({ "locations.json": lines.slice(0, -20) });
    expect(told[0]).toBe("locations.json 2: the file ends in the middle of its list");
    expect(rows.location_samples).toHaveLength(1);
  });
});

test("a part of an account, and one without pictures, say so", async () => {
  const range = { start: "2025-04-01T00:00:00Z", end: null };
  const account = await createAccount(server);
  const partial = await importInto(
    server,
    account,
    await archiveOf(inManifest((json) => Object.assign(json, { range }))),
  );
  expect(partial.range).toEqual(range);
  const { bytes } = await exportBytes(
    server,
    orderOf(source, { range: { start: minute(1), end: minute(10) } }),
  );
  const inRange = await createAccount(server);
  const report = await importInto(server, inRange, await folder.write(bytes));
  expect(report).toMatchObject({ range: { start: minute(1), end: minute(10) }, leftOut: 0, pictures: 1 });
  const rows = await everythingOf(server.context.db, inRange.userId);
  expect(rows.location_samples?.map(({ id }) => id)).toEqual(["there"]);
  const bare = await createAccount(server);
  const photos = first(
    (row: Json) => ({ file: { ...row.file, path: null } }),
    (row) => row.file,
  );
  const changes = {
    "photos.json": photos,
    ...inManifest((json) => Object.assign(json, { photosIncluded: false })),
  };
  expect(await importInto(server, bare, await archiveOf(changes))).toMatchObject({
    pictures: 0,
    withoutPicture: 1,
  });
});

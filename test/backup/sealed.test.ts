import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { Decrypter, generateIdentity, identityToRecipient } from "age-encryption";
import { openPlace } from "../../src/backup/sealing.ts";
import { verifySnapshot } from "../../src/backup/verify.ts";
import { newPicture, type PictureServer, startPictureServer, upload } from "../storage/picture-server.ts";
import { newDevice } from "../support/sync-client.ts";
import {
  type BackupFolder,
  backUp,
  canary,
  flip,
  namesIn,
  newFolder,
  rowsOf,
  writeJournal,
} from "./journal.ts";

const passphrase = "a passphrase of several words";
let server: PictureServer;
let folder: BackupFolder;

beforeAll(async () => {
  server = await startPictureServer("directory");
  const device = await newDevice(server);
  await writeJournal(device);
  const picture = newPicture(50_000);
  picture.set(new TextEncoder().encode(canary), 40_000);
  await upload(device, crypto.randomUUID(), picture);
});
afterAll(() => server.stop());
beforeEach(async () => {
  folder = await newFolder();
});
afterEach(() => folder.remove());

/** A problem of a backup; what was made when there is none. */
const problemOf = (work: Promise<unknown>) => work.catch((error: { problem?: string }) => error.problem);

async function contents(): Promise<string> {
  const names = await namesIn(folder.path);
  const read = await Promise.all(names.map((name) => readFile(join(folder.path, name), "latin1")));
  return read.join("");
}

describe("with a passphrase", () => {
  test("nothing is in clear but the manifest, and the passphrase opens it", async () => {
    const manifest = await backUp(server, folder.files, { passphrase });
    const text = await contents();
    expect(text).not.toContain(canary);
    expect(text).not.toContain("AGE-SECRET-KEY");
    expect(text).not.toContain(passphrase);
    const key = await openPlace(folder.files, { passphrase });
    const trips = await rowsOf(folder.files, manifest, "trips", key);
    expect(trips.map(({ notes }) => notes).join()).toContain(canary);
    const { findings, readSealed } = await verifySnapshot(folder.files, manifest.id, { key });
    expect({ findings, readSealed }).toEqual({ findings: [], readSealed: true });
  });

  test("without it only the files are compared, and that is said", async () => {
    const { id } = await backUp(server, folder.files, { passphrase });
    const { findings, readSealed } = await verifySnapshot(folder.files, id);
    expect({ findings, readSealed }).toEqual({ findings: [], readSealed: false });
  });

  test("the next one uses the same key, and copies nothing anew", async () => {
    const first = await backUp(server, folder.files, { passphrase });
    const second = await backUp(server, folder.files, { passphrase });
    expect(second.encryption).toEqual(first.encryption);
    expect(second.objects).toEqual(first.objects);
    const key = await openPlace(folder.files, { passphrase });
    expect((await verifySnapshot(folder.files, second.id, { key })).findings).toEqual([]);
  });

  test("another one, or none any more, is fatal, and nothing is written", async () => {
    await backUp(server, folder.files, { passphrase });
    const before = await namesIn(folder.path);
    expect(await problemOf(backUp(server, folder.files, { passphrase: "another passphrase" }))).toBe(
      "sealed",
    );
    expect(await problemOf(backUp(server, folder.files))).toBe("sealed");
    expect(await problemOf(openPlace(folder.files, { passphrase: "another passphrase" }))).toBe("sealed");
    expect(await problemOf(openPlace(folder.files, {}))).toBe("sealed");
    expect(await namesIn(folder.path)).toEqual(before);
  });

  test("a picture that was copied anew is whole for older backups, too", async () => {
    const first = await backUp(server, folder.files, { passphrase });
    const name = (await namesIn(folder.path)).find((found) => found.startsWith("objects/")) ?? "";
    await rm(join(folder.path, name));
    const second = await backUp(server, folder.files, { passphrase });
    expect(second.objects[0]?.file?.sha256).not.toBe(first.objects[0]?.file?.sha256);
    const key = await openPlace(folder.files, { passphrase });
    for (const { id } of [first, second])
      for (const options of [{ key }, {}])
        expect((await verifySnapshot(folder.files, id, options)).findings).toEqual([]);
  });

  test("damage of the key itself is found", async () => {
    const { id } = await backUp(server, folder.files, { passphrase });
    const key = await openPlace(folder.files, { passphrase });
    await flip(join(folder.path, "key.age"));
    expect(await problemOf(openPlace(folder.files, { passphrase }))).toBe("sealed");
    for (const options of [{}, { key }]) {
      const { findings } = await verifySnapshot(folder.files, id, options);
      expect(findings.map(({ name, kind }) => `${kind} ${name}`)).toEqual(["damaged key.age"]);
    }
  });
});

describe("with a public key", () => {
  test("only its private key opens it", async () => {
    const identity = await generateIdentity();
    const recipient = await identityToRecipient(identity);
    const manifest = await backUp(server, folder.files, { recipient });
    expect(await contents()).not.toContain(canary);
    expect(await namesIn(folder.path)).not.toContain("key.age");
    expect((await verifySnapshot(folder.files, manifest.id, { key: identity })).findings).toEqual([]);
    const other = await generateIdentity();
    expect((await verifySnapshot(folder.files, manifest.id, { key: other })).findings.length).toBeGreaterThan(
      0,
    );
    expect(
      await problemOf(backUp(server, folder.files, { recipient: await identityToRecipient(other) })),
    ).toBe("sealed");
  });

  test("pictures of a backup that was cut off are used with the same key, and refused with another", async () => {
    const [mine, other] = await Promise.all([generateIdentity(), generateIdentity()]);
    const recipient = await identityToRecipient(mine);
    await backUp(server, folder.files, { recipient });
    // Cut off before its manifest was written.
    await rm(join(folder.path, "snapshots"), { recursive: true });
    const pictures = await namesIn(join(folder.path, "objects"));
    expect(pictures).not.toEqual([]);
    const wrong = backUp(server, folder.files, { recipient: await identityToRecipient(other) });
    expect(await problemOf(wrong)).toBe("sealed");
    const manifest = await backUp(server, folder.files, { recipient });
    const { findings } = await verifySnapshot(folder.files, manifest.id, { key: mine });
    expect(findings).toEqual([]);
  });

  test("what is no key is fatal", async () => {
    expect(await problemOf(backUp(server, folder.files, { recipient: "age1nonsense" }))).toBe("sealed");
    expect(await namesIn(folder.path)).toEqual([]);
  });
});

test("a key that opens something else opens nothing here", async () => {
  await backUp(server, folder.files, { passphrase });
  const decrypter = new Decrypter();
  decrypter.addIdentity(await generateIdentity());
  const name = (await namesIn(folder.path)).find((found) => found.endsWith("trips.copy.zst.age")) ?? "";
  const sealed = await readFile(join(folder.path, name));
  await expect(decrypter.decrypt(new Uint8Array(sealed))).rejects.toThrow();
});

const age = Bun.which("age");
const keygen = Bun.which("age-keygen");
test.skipIf(!age || !keygen)("age's own tool opens the files", async () => {
  const made = Bun.spawnSync([keygen ?? ""]).stdout.toString();
  const identity = join(folder.path, "identity");
  await Bun.write(identity, made);
  const recipient = /age1[0-9a-z]+/.exec(made)?.[0] ?? "";
  const { id } = await backUp(server, folder.files, { recipient });
  const file = join(folder.path, "snapshots", id, "tables/trips.copy.zst.age");
  const { stdout } = Bun.spawnSync([age ?? "", "--decrypt", "-i", identity, file]);
  expect(new TextDecoder().decode(Bun.zstdDecompressSync(new Uint8Array(stdout)))).toContain(canary);
});

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import type { Config } from "../../src/config/config.ts";
import { instantHasher } from "../accounts/people.ts";
import { quadrantsPng } from "../support/png.ts";
import { program } from "../support/program.ts";
import { type Backend, openTestStorage } from "../support/storages.ts";
import type { Device, Json } from "../support/sync-client.ts";
import { photo } from "../support/sync-entities.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

/** A server with a storage of its own, and the program beside it as an administrator would run it. */
export interface PictureServer extends TestServer {
  /** Runs `trailglass` with the server's settings and no terminal. */
  run(args: string[], env?: Record<string, string>): Promise<Outcome>;
  /** Starts it; for who wants to kill it. */
  spawn(args: string[], env?: Record<string, string>): Bun.Subprocess<"ignore", "pipe", "pipe">;
  /** Runs it on a terminal. @returns exit code, and all that was written */
  runOnTerminal(args: string[]): Promise<{ code: number; screen: string }>;
}

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Settings of the storage, as the program reads them. */
export function storageEnvironment(config: Config): Record<string, string> {
  const given = {
    STORAGE_BACKEND: config.storageBackend,
    STORAGE_BUCKET: config.storageBucket,
    STORAGE_ENDPOINT: config.storageEndpoint,
    STORAGE_REGION: config.storageRegion,
    STORAGE_ACCESS_KEY: config.storageAccessKey,
    STORAGE_SECRET_KEY: config.storageSecretKey,
    DATA_DIR: config.dataDir,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Record<
    string,
    string
  >;
}

/** Starts a server that keeps pictures in a backend; settings of a bucket of its own are there with `bucket`. */
export async function startPictureServer(backend: Backend, bucket = false): Promise<PictureServer> {
  const s3 = backend === "s3" || bucket ? await openTestStorage("s3") : null;
  const dataDir = await mkdtemp(join(tmpdir(), "tg-pictures-"));
  const server = await startTestServer(
    { ...s3?.config, dataDir, storageBackend: backend },
    { hasher: instantHasher },
  );
  const surroundings = (env: Record<string, string> = {}) => ({
    cwd: tmpdir(),
    env: {
      PATH: process.env.PATH ?? "",
      DATABASE_URL: server.databaseUrl,
      ...storageEnvironment(server.config),
      ...env,
    },
  });
  const spawn: PictureServer["spawn"] = (args, env) =>
    Bun.spawn([...program, ...args], {
      ...surroundings(env),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  return {
    ...server,
    spawn,
    async run(args, env) {
      const child = spawn(args, env);
      const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
      return { code: await child.exited, out, err };
    },
    async runOnTerminal(args) {
      let screen = "";
      const data = (_terminal: unknown, bytes: Uint8Array) => {
        screen += new TextDecoder().decode(bytes);
      };
      const child = Bun.spawn([...program, ...args], {
        ...surroundings({ TERM: "xterm" }),
        terminal: { cols: 120, data },
      });
      const code = await child.exited;
      await Bun.sleep(50);
      return { code, screen };
    },
    async stop() {
      await server.stop();
      await s3?.remove();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** A picture unlike all others, of at least so many bytes. */
export function newPicture(bytes = 0): Uint8Array<ArrayBuffer> {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return new Uint8Array(Buffer.concat([quadrantsPng(8, 8), random, Buffer.alloc(bytes, random)]));
}

/** Uploads a picture as a phone does, whatever the status. */
export async function sendPicture(device: Device, id: string, picture: Uint8Array<ArrayBuffer>) {
  const form = new FormData();
  form.append("metadata", JSON.stringify(photo(id)));
  form.append("file", new Blob([picture], { type: "image/png" }), "picture.png");
  return fetch(`${device.server.url}/api/v1/photos/upload`, {
    method: "POST",
    headers: {
      Authorization: `Bearer ${device.person.accessToken}`,
      "X-Device-ID": device.id,
      "X-App-Version": "1.0.0",
    },
    body: form,
  });
}

/** The same, which has to succeed. */
export async function upload(device: Device, id: string, picture = newPicture()): Promise<Json> {
  const answer = await sendPicture(device, id, picture);
  if (answer.status !== 201) throw new Error(`upload: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** Sets the account's avatar. @returns its key */
export async function setAvatar(device: Device): Promise<string> {
  const profilePhoto = Buffer.from(newPicture()).toString("base64");
  await device.call("PUT", "/user/profile", { displayName: "Ada", profilePhoto });
  const [row] = await device.rows<{ key: string }>(
    sql`SELECT avatar_key AS key FROM users WHERE id = ${device.person.userId}`,
  );
  return row?.key ?? "";
}

/** Key of a photo's original; undefined when it has none. */
export async function keyOf(device: Device, photoId: string): Promise<string | undefined> {
  const [row] = await device.rows<{ key: string }>(sql`
    SELECT o.key FROM photo_files f JOIN stored_objects o USING (user_id, sha256)
    WHERE f.user_id = ${device.person.userId} AND f.photo_id = ${photoId}`);
  return row?.key;
}

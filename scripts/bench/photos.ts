import { open } from "node:fs/promises";
import { join } from "node:path";
import { findMinio, startMinio } from "../../test/support/minio.ts";
import { atMost, type Figure, rateOf, type Turn } from "./figure.ts";
import { megabyte, watchGrowth } from "./memory.ts";
import { BenchPhone } from "./phone.ts";
import { PhotoForm, pictureBytes } from "./photo-form.ts";
import { BenchServer } from "./server.ts";

const photosPerTurn = 40;
const turns = 5;
const atOnce = 4;
const megabytesPerTurn = (photosPerTurn * pictureBytes) / 1e6;

/** Does a number of things, four at a time. @returns MB/s, if each moves a picture */
async function rate(action: (index: number) => Promise<void>): Promise<number> {
  let next = 0;
  const began = performance.now();
  const worker = async () => {
    while (next < photosPerTurn) await action(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return megabytesPerTurn / ((performance.now() - began) / 1000);
}

/** Writes pictures to the same disk, each safe from a power cut as a stored one is. */
const copy = (folder: string, form: PhotoForm) =>
  rate(async (index) => {
    const file = await open(join(folder, `copy-${index}`), "w");
    await file.writeFile(form.picture(index));
    await file.sync();
    await file.close();
  });

async function read(url: string): Promise<void> {
  let size = 0;
  for await (const piece of (await fetch(url)).body ?? []) size += piece.byteLength;
  if (size !== pictureBytes) throw new Error(`a download had ${size} bytes`);
}

async function measureTurn(server: BenchServer, phone: BenchPhone, turn: number) {
  const form = new PhotoForm(turn);
  const urls: string[] = [];
  const plain = await copy(server.dataDir, form);
  const up = await rate(async (index) => {
    urls[index] = await form.upload(phone, index);
  });
  const down = await rate((index) => read(urls[index] as string));
  return { up: { ours: up, other: plain }, down: { ours: down, other: plain } };
}

async function measureBackend(backend: string, settings: Record<string, string>): Promise<Figure[]> {
  const server = await BenchServer.create({ STORAGE_BACKEND: backend, ...settings });
  try {
    await server.start();
    const phone = await BenchPhone.register(server);
    await measureTurn(server, phone, 0);
    const [up, down]: [Turn[], Turn[]] = [[], []];
    for (let turn = 1; turn <= turns; turn++) {
      const measured = await measureTurn(server, phone, turn);
      up.push(measured.up);
      down.push(measured.down);
    }
    const least = backend === "directory" ? 0.6 : null;
    return [
      rateOf(`upload of 5 MB photos, 4 at a time: ${backend}`, up, least),
      rateOf(`download of the same: ${backend}`, down, least),
      await measureMemory(server, phone, backend),
    ];
  } finally {
    await server.remove();
  }
}

/** 20 uploads of 50 MB in parallel. */
async function measureMemory(server: BenchServer, phone: BenchPhone, backend: string): Promise<Figure> {
  const uploads = Array.from({ length: 20 }, (_, index) => index);
  const { highest } = await watchGrowth(server.pid, () =>
    Promise.all(uploads.map((index) => PhotoForm.uploadLarge(phone, index, 50 * megabyte))),
  );
  return atMost(`highest memory, 20 uploads of 50 MB at once: ${backend}`, highest / megabyte, 250, "MB");
}

/** Pictures in and out, on every storage that is at hand. */
export async function measurePhotos(): Promise<Figure[]> {
  const figures = [...(await measureBackend("directory", {})), ...(await measureBackend("database", {}))];
  const program = findMinio();
  if (program === null) {
    console.error("photos on S3 are left out: there is no MinIO (scripts/ensure-minio.sh gets it)");
    return figures;
  }
  const { endpoint, accessKey, secretKey } = await startMinio(program);
  const settings = {
    STORAGE_ENDPOINT: endpoint,
    STORAGE_ACCESS_KEY: accessKey,
    STORAGE_SECRET_KEY: secretKey,
    STORAGE_BUCKET: "bench",
  };
  await createBucket(settings);
  return [...figures, ...(await measureBackend("s3", settings))];
}

async function createBucket(settings: Record<string, string>): Promise<void> {
  const { CreateBucketCommand, S3Client } = await import("@aws-sdk/client-s3");
  const client = new S3Client({
    endpoint: settings.STORAGE_ENDPOINT as string,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: {
      accessKeyId: settings.STORAGE_ACCESS_KEY as string,
      secretAccessKey: settings.STORAGE_SECRET_KEY as string,
    },
  });
  await client.send(new CreateBucketCommand({ Bucket: settings.STORAGE_BUCKET }));
  client.destroy();
}

import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type postgres from "postgres";
import { type Figure, ratioOf, type Turn } from "./figure.ts";
import { BenchPhone } from "./phone.ts";
import { type Point, pointAt } from "./points.ts";
import type { BenchServer } from "./server.ts";

const pointsPerRequest = 500;
const requestsPerTurn = 40;
const turns = 7;
const pointsPerTurn = pointsPerRequest * requestsPerTurn;

function pointsOf(turn: number, deviceId: string): Point[] {
  return Array.from({ length: pointsPerTurn }, (_, index) => pointAt(turn * pointsPerTurn + index, deviceId));
}

/** @returns seconds */
async function uploadTurn(phone: BenchPhone, turn: number): Promise<number> {
  const points = pointsOf(turn, phone.deviceId);
  const bodies = Array.from({ length: requestsPerTurn }, (_, request) =>
    JSON.stringify({
      deviceId: phone.deviceId,
      locations: points.slice(request * pointsPerRequest, (request + 1) * pointsPerRequest),
    }),
  );
  let accepted = 0;
  const began = performance.now();
  for (const body of bodies) {
    const answer = await phone.post("/locations/batch", body);
    accepted += ((await answer.json()) as { accepted: number }).accepted;
  }
  const seconds = (performance.now() - began) / 1000;
  if (accepted !== pointsPerTurn) throw new Error(`only ${accepted} points were accepted`);
  return seconds;
}

const columns = `user_id, id, device_id, server_version, edited_version, local_version, last_modified, timestamp,
  latitude, longitude, altitude, accuracy, speed, bearing, provider, battery_level, client_timestamp`;

function copyLine(userId: string, point: Point, version: number): string {
  const { id, deviceId, localVersion, lastModified, timestamp, latitude, longitude } = point;
  const { accuracy, speed, bearing, provider, clientTimestamp } = point;
  const row = [
    userId,
    id,
    deviceId,
    version,
    version,
    localVersion,
    lastModified,
    timestamp,
    latitude,
    longitude,
  ];
  return `${[...row, "\\N", accuracy, speed, bearing, provider, "\\N", clientTimestamp].join("\t")}\n`;
}

/** @returns seconds */
async function copyTurn(sql: postgres.Sql, owner: BenchPhone, turn: number): Promise<number> {
  const lines = pointsOf(turn, owner.deviceId).map((point, index) =>
    copyLine(owner.userId, point, turn * pointsPerTurn + index + 1),
  );
  // Pieces of 64 kB, as a program that copies would send.
  const pieces = Array.from({ length: Math.ceil(lines.length / 300) }, (_, index) =>
    lines.slice(index * 300, (index + 1) * 300).join(""),
  );
  const began = performance.now();
  const target = await sql.unsafe(`COPY location_samples (${columns}) FROM STDIN`).writable();
  await pipeline(Readable.from(pieces), target);
  return (performance.now() - began) / 1000;
}

/** Batches of points over HTTP, one after the other, and COPY of as many rows into the same table, in turns. */
export async function measureUpload(server: BenchServer): Promise<Figure[]> {
  const phone = await BenchPhone.register(server);
  const other = await BenchPhone.register(server);
  const sql = server.connect();
  try {
    await uploadTurn(phone, 0);
    await copyTurn(sql, other, 0);
    const measured: Turn[] = [];
    for (let turn = 1; turn <= turns; turn++) {
      const ours = pointsPerTurn / (await uploadTurn(phone, turn));
      measured.push({ ours, other: pointsPerTurn / (await copyTurn(sql, other, turn)) });
    }
    return [ratioOf("batch upload, 500 points a request", measured, 0.5)];
  } finally {
    await sql.end();
  }
}

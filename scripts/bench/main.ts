import { parseArgs } from "node:util";
import { measureBackup } from "./backup.ts";
import { measureEmptyDelta, measureMixedDelta } from "./deltas.ts";
import { measureExport } from "./export.ts";
import type { Figure } from "./figure.ts";
import { measureFirstSync } from "./first-sync.ts";
import { measurePhotos } from "./photos.ts";
import { circumstances, table, writeDocument } from "./report.ts";
import { BenchServer } from "./server.ts";
import { measureStart } from "./start.ts";
import { measureThumbnail } from "./thumbnail.ts";
import { measureUpload } from "./upload.ts";

const usage = `Usage: bun run bench [--only upload|first-sync|empty-delta|mixed-delta|start|photos|thumbnail|backup|export] [--points 1000000] [--write]
  --only    measures one thing; may be given several times
  --points  points of the first sync, of the backup, and of the export
  --write   puts the table into docs/benchmarks.md`;

/** Milliseconds after which something must be wrong. */
const longest = 15 * 60_000;

/** What is measured, each with a fresh server, so that nothing is warm from what came before. */
const measurements: Record<string, (points: number) => Promise<Figure[]>> = {
  start: measureStart,
  "empty-delta": () => withServer(measureEmptyDelta),
  "mixed-delta": () => withServer(measureMixedDelta),
  upload: () => withServer(measureUpload),
  photos: measurePhotos,
  thumbnail: measureThumbnail,
  backup: measureBackup,
  export: measureExport,
  "first-sync": (points) => withServer((server) => measureFirstSync(server, points)),
};

async function withServer(measure: (server: BenchServer) => Promise<Figure[]>): Promise<Figure[]> {
  const server = await BenchServer.create();
  try {
    await server.start();
    return await measure(server);
  } finally {
    await server.remove();
  }
}

function readArguments() {
  try {
    return parseOptions();
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${usage}`);
  }
}

function parseOptions() {
  const { values } = parseArgs({
    args: Bun.argv.slice(2),
    options: {
      only: { type: "string", multiple: true, default: Object.keys(measurements) },
      points: { type: "string", default: "1000000" },
      write: { type: "boolean", default: false },
    },
  });
  const points = Number(values.points);
  if (values.only.some((name) => !measurements[name]) || !(points >= 1000 && Number.isInteger(points)))
    throw new Error("there is no such measurement, or not enough points");
  return { ...values, points };
}

async function main(): Promise<void> {
  const { only, points, write } = readArguments();
  setTimeout(() => {
    console.error(`bench: not finished after ${longest / 60_000} minutes`);
    process.exit(1);
  }, longest).unref();
  const when = circumstances();
  console.log(`${when}\n`);
  const figures: Figure[] = [];
  for (const [name, measure] of Object.entries(measurements)) {
    if (!only.includes(name)) continue;
    console.error(`measuring: ${name}`);
    figures.push(...(await measure(points)));
  }
  console.log(`\n${table(figures)}`);
  if (write) await writeDocument(figures, when);
}

try {
  await main();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}

import { seedPhotos } from "./backup.ts";
import { atMost, type Figure, whole } from "./figure.ts";
import { megabyte, watchGrowth } from "./memory.ts";
import { BenchPhone } from "./phone.ts";
import { seedPoints } from "./points.ts";
import { BenchServer } from "./server.ts";

/** Photos of 2.5 MB: `BENCH_EXPORT_PHOTOS=4000` for 10 GB. */
const photos = Number(process.env.BENCH_EXPORT_PHOTOS || 400);

interface Report {
  readonly exportId: string;
  readonly status: string;
  readonly fileSize: number | null;
}

async function call(phone: BenchPhone, method: string, path: string, body?: object): Promise<Report> {
  const answer = await fetch(`${phone.server.url}/api/v1${path}`, {
    method,
    headers: phone.headers,
    ...(body && { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as Report;
}

/** Asks for an export, and waits until it is there. */
async function exportAll(phone: BenchPhone, body: object): Promise<Report> {
  const { exportId } = await call(phone, "POST", "/export/request", body);
  for (;;) {
    const report = await call(phone, "GET", `/export/${exportId}/status`);
    if (report.status === "COMPLETED") return report;
    if (report.status === "FAILED") throw new Error("the export failed");
    await Bun.sleep(250);
  }
}

/** Exports of a whole life, and what they take of the server's memory. */
export async function measureExport(points: number): Promise<Figure[]> {
  const server = await BenchServer.create({ STORAGE_BACKEND: "directory" });
  try {
    await server.start();
    const phone = await BenchPhone.register(server);
    await seedPoints(server.connect(), phone, points);
    await seedPhotos(server, phone, 0, photos);
    const figures: Figure[] = [];
    for (const format of ["JSON", "CSV", "GPX", "GEOJSON"]) {
      const includePhotos = format === "JSON";
      const began = performance.now();
      const seen = await watchGrowth(server.pid, () => exportAll(phone, { format, includePhotos }));
      const seconds = Math.round((performance.now() - began) / 1000);
      const what = `${whole(points)} points${includePhotos ? ` and ${photos} photos` : ""}`;
      const size = Math.round((seen.result.fileSize ?? 0) / megabyte);
      const name = `export of ${what} as ${format} (${size} MB in ${seconds} s): the server's highest memory`;
      figures.push(atMost(name, seen.highest / megabyte, 150, "MB"));
    }
    return figures;
  } finally {
    await server.remove();
  }
}

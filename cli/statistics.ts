import { type DailyStatistics, readStatistics } from "../src/health/daily-statistics.ts";
import { inWords } from "./progress-bar.ts";
import { type GlobalOptions, withContext } from "./with-context.ts";

interface StatisticsOptions extends GlobalOptions {
  days?: number;
  json?: boolean;
}

const head = ["day", "accounts", "devices", "points", "visits", "trips", "photos", "pictures", "database"];

const cells = (day: DailyStatistics): string[] => [
  day.day,
  ...[day.accounts, day.activeDevices, day.locations, day.placeVisits, day.trips, day.photos].map(String),
  inWords(day.pictureBytes),
  inWords(day.databaseBytes),
];

/** `trailglass statistics`: how much there was, day by day, the newest first. */
export async function printStatistics(options: StatisticsOptions): Promise<void> {
  const days = await withContext(options, ({ db }) => readStatistics(db, options.days ?? 30));
  if (options.json) return console.log(JSON.stringify(days, null, 2));
  if (days.length === 0) return console.log("There are none yet: a running server counts once a day.");
  const rows = [head, ...days.map(cells)];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows)
    console.log(row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join("  "));
}

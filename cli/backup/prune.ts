import type { KeepPolicy } from "../../src/backup/keep.ts";
import { keepPolicy, openFirst, openPlaceOf, type PlaceWish } from "../../src/backup/places.ts";
import { type PruneReport, prune } from "../../src/backup/prune.ts";
import type { Config } from "../../src/config/config.ts";
import { loadConfig } from "../environment.ts";
import { count, inWords } from "../progress-bar.ts";
import type { GlobalOptions } from "../with-context.ts";

export interface PruneOptions extends GlobalOptions, PlaceWish {
  dryRun?: boolean;
  keepDaily?: number;
  keepWeekly?: number;
  keepMonthly?: number;
  json?: boolean;
}

function policyOf(config: Config, { keepDaily, keepWeekly, keepMonthly }: PruneOptions): KeepPolicy {
  const { daily, weekly, monthly } = keepPolicy(config);
  return { daily: keepDaily ?? daily, weekly: keepWeekly ?? weekly, monthly: keepMonthly ?? monthly };
}

function print({ removed, kept, unreadable, files, bytes }: PruneReport, dryRun: boolean): void {
  for (const id of removed) console.log(`${dryRun ? "would go" : "removed"}  ${id}`);
  for (const id of unreadable) console.log(`cannot be read, left alone with all pictures  ${id}`);
  const freed = `${count(files, "file")} (${inWords(bytes)})`;
  console.log(`${dryRun ? "Would remove" : "Removed"} ${freed}; kept ${count(kept.length, "backup")}.`);
}

/** `trailglass backup prune`. */
export async function backupPrune(options: PruneOptions): Promise<void> {
  const config = loadConfig(options.config);
  const files = await openPlaceOf(config, options);
  try {
    // A bucket has no lock of its own: it is written to under the first place's.
    const unlock = await (options.s3 ? openFirst(config) : files).lock();
    try {
      const dryRun = options.dryRun ?? false;
      const report = await prune(files, policyOf(config, options), { dryRun });
      if (options.json) console.log(JSON.stringify(report, null, 2));
      else print(report, dryRun);
    } finally {
      await unlock();
    }
  } finally {
    await files.close();
  }
}

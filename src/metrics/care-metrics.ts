import { Gauge, type Registry } from "prom-client";
import { prefix, showOrForget } from "./names.ts";
import type { Sources } from "./source.ts";

/** What somebody who looks after a server wants to know; each is asked when somebody scrapes. */
export interface CareSources {
  /** Components of the health report. */
  readonly components: () => Promise<Readonly<Record<string, { readonly status: string }>>>;
  readonly backups: () => Promise<{
    readonly newest: string | null;
    readonly lastProven: string | null;
  } | null>;
  /** Bytes on the disk of the data. */
  readonly room: () => Promise<{ readonly free: number; readonly total: number }>;
  readonly lastSync: () => Promise<Date | null>;
}

/** Nothing is amiss: also where there is nothing to look after, or nothing is known yet. */
const fine = new Set(["ok", "off", "none", "unknown"]);

/** Seconds since an instant; without end where there is none, so that "older than" holds. */
const ageOf = (instant: string | null) =>
  instant === null ? Number.POSITIVE_INFINITY : (Date.now() - Date.parse(instant)) / 1000;

/** What becomes visible of a server that nobody looks at otherwise. */
export function careMetrics(registry: Registry, sources: Sources, from: CareSources): void {
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `${prefix}${name}`, help, labelNames, registers: [registry] });

  const component = gauge("component_ok", "Whether a component of /health is as it should be.", [
    "component",
  ]);
  sources.add({
    name: "health",
    read: from.components,
    show(found) {
      component.reset();
      for (const [name, { status }] of Object.entries(found ?? {}))
        component.set({ component: name }, fine.has(status) ? 1 : 0);
    },
  });

  const backupAge = gauge("backup_age_seconds", "Age of the newest backup; +Inf without any.");
  const provenAge = gauge(
    "backup_proven_age_seconds",
    "Since a backup was last restored to try it; +Inf: never.",
  );
  sources.add({
    name: "backups",
    read: from.backups,
    show(found) {
      showOrForget(backupAge, found && ageOf(found.newest));
      showOrForget(provenAge, found && ageOf(found.lastProven));
    },
  });

  const free = gauge("disk_free_bytes", "Room that is left on the disk of DATA_DIR.");
  const size = gauge("disk_size_bytes", "Size of that disk.");
  sources.add({
    name: "disk",
    read: from.room,
    show(found) {
      showOrForget(free, found?.free);
      showOrForget(size, found?.total);
    },
  });

  const lastSync = gauge("last_sync_timestamp_seconds", "When a device last synced, in seconds since 1970.");
  sources.add({
    name: "devices",
    read: async () => ({ at: await from.lastSync() }),
    show: (found) => showOrForget(lastSync, found?.at && found.at.getTime() / 1000),
  });
}

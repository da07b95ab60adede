import { Counter, type Registry } from "prom-client";
import type { Outcome } from "../sync/apply-changes.ts";
import { kinds } from "../sync/entity.ts";
import type { SyncObserver } from "../sync/sync-observer.ts";
import { prefix } from "./names.ts";

/** What became of a change, in a word. */
function fateOf({ decision, contradiction }: Outcome): "written" | "unchanged" | "conflict" | "rejected" {
  if (contradiction !== null) return "rejected";
  if (decision.write !== undefined) return "written";
  if (decision.conflict) return "conflict";
  return decision.accepted ? "unchanged" : "rejected";
}

/** Counts what phones send, and what becomes of it. */
export function syncMetrics(registry: Registry): SyncObserver {
  const changes = new Counter({
    name: `${prefix}sync_changes_total`,
    help: "Changes that phones sent: written, unchanged (a repeat), conflict, or rejected.",
    labelNames: ["kind", "outcome"],
    registers: [registry],
  });
  const conflicts = new Counter({
    name: `${prefix}sync_conflicts_total`,
    help: "Changes that met another device's edit.",
    labelNames: ["kind"],
    registers: [registry],
  });
  const points = new Counter({
    name: `${prefix}points_received_total`,
    help: "Points of tracks that were not there before.",
    registers: [registry],
  });
  // A series that begins at zero shows its first change, too.
  for (const kind of kinds) {
    conflicts.inc({ kind }, 0);
    for (const outcome of ["written", "unchanged", "conflict", "rejected"]) changes.inc({ kind, outcome }, 0);
  }
  return {
    decided(outcomes) {
      for (const outcome of outcomes) {
        const { change, decision } = outcome;
        const fate = fateOf(outcome);
        changes.inc({ kind: change.kind, outcome: fate });
        if (decision.conflict) conflicts.inc({ kind: change.kind });
        if (change.kind === "locations" && fate === "written" && !change.deleted) points.inc();
      }
    },
    refused(items) {
      for (const { kind } of items) changes.inc({ kind, outcome: "rejected" });
    },
  };
}

import { longFor } from "../../src/amounts.ts";
import { type ListedBackup, listBackups } from "../../src/backup/listing.ts";
import { openPlaceOf, type PlaceWish } from "../../src/backup/places.ts";
import { loadConfig } from "../environment.ts";
import { count, inWords } from "../progress-bar.ts";
import type { GlobalOptions } from "../with-context.ts";

export interface ListOptions extends GlobalOptions, PlaceWish {
  json?: boolean;
}

const ago = (at: Date) => `${longFor(Math.max(0, (Date.now() - at.getTime()) / 1000))} ago`;

function line(backup: ListedBackup): string {
  if (!backup.content) return `${backup.id}  cannot be read: ${backup.problem}`;
  const { createdAt, bytes, pictures, complete, encrypted } = backup.content;
  const facts = [
    complete ? "complete" : "incomplete",
    encrypted ? "encrypted" : "in clear",
    backup.verified ? `verified ${ago(backup.verified)}` : "not verified",
    backup.proven ? `proven ${ago(backup.proven)}` : "not proven",
  ];
  const columns = [
    backup.id,
    ago(createdAt).padStart(14),
    inWords(bytes).padStart(9),
    count(pictures, "picture").padStart(14),
  ];
  return `${columns.join("  ")}  ${facts.join(", ")}`;
}

function toJson({ id, content, problem, verified, proven }: ListedBackup) {
  const { createdAt, bytes, pictures, complete, encrypted } = content ?? {};
  return { id, problem, createdAt, bytes, pictures, complete, encrypted, verified, proven };
}

/** `trailglass backup list`: the newest first. */
export async function backupList(options: ListOptions): Promise<void> {
  const files = await openPlaceOf(loadConfig(options.config), options);
  try {
    const backups = await listBackups(files);
    if (options.json) return console.log(JSON.stringify(backups.map(toJson), null, 2));
    if (backups.length === 0) console.log(`There are no backups in ${files.place}.`);
    for (const backup of backups) console.log(line(backup));
  } finally {
    await files.close();
  }
}

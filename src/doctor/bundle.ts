import { createWriteStream } from "node:fs";
import { release } from "node:os";
import { finished } from "node:stream/promises";
import { migrations } from "../../migrations/index.ts";
import type { ShownSetting } from "../config/show.ts";
import type { Database } from "../database/client.ts";
import { countRows, readServerFacts } from "../database/facts.ts";
import { readSchemaState } from "../database/migrator.ts";
import { program } from "../version.ts";
import { explain } from "./check.ts";
import { readLogExcerpt } from "./log-excerpt.ts";
import type { Redact } from "./redactor.ts";
import type { Report } from "./report.ts";

export interface BundleParts {
  readonly report: Report;
  readonly settings: readonly ShownSetting[];
  /** Null where it cannot be opened. */
  readonly db: Database | null;
  readonly redact: Redact;
}

/** Seconds that counting all rows may take. */
const patience = 10;

/** Names that let somebody in together with a secret: no bug report needs them. */
const half = /ACCESS_KEY|USERNAME|CLIENT_ID|DATABASE_URL|_USER$/;

const clearSettings = ({ settings, redact }: BundleParts) =>
  settings.map(({ value, ...setting }) => ({
    ...setting,
    value:
      value === null
        ? null
        : half.test(setting.name) && setting.source !== "default"
          ? "(set)"
          : redact(value),
  }));

/** What a look at the database yields, or why it yields nothing. */
async function fromDatabase<T>(db: Database | null, read: (db: Database) => Promise<T>) {
  if (db === null) return { error: "the database cannot be opened" };
  return read(db).catch((error: unknown) => ({ error: explain(error) }));
}

async function versions(db: Database | null) {
  const facts = await fromDatabase(db, readServerFacts);
  const database = "version" in facts ? facts.version : null;
  return { ...program, database, kernel: release(), architecture: process.arch };
}

const schema = (db: Database | null) =>
  fromDatabase(db, async (open) =>
    (await readSchemaState(open, migrations)).map(({ number, name, appliedAt }) => ({
      number,
      name,
      appliedAt,
    })),
  );

/** The files of a bundle and their texts: enough to understand a fault, and nothing of what people have stored. */
export async function collectBundle(parts: BundleParts): Promise<Record<string, string>> {
  const { db, report, redact } = parts;
  const files = {
    "doctor.json": report,
    "configuration.json": clearSettings(parts),
    "versions.json": await versions(db),
    "schema.json": await schema(db),
    "row-counts.json": await fromDatabase(db, (open) => countRows(open, patience)),
  };
  const texts = Object.entries(files).map(([name, value]) => [name, `${JSON.stringify(value, null, 2)}\n`]);
  const log = await readLogExcerpt(redact);
  return { ...Object.fromEntries(texts), ...(log !== null && { "log.txt": log }) };
}

/** Writes a zip that its owner alone may read. @throws the system's error, EEXIST where there is a file already */
export async function writeBundle(path: string, files: Record<string, string>): Promise<void> {
  const { ZipArchive } = await import("archiver");
  const out = createWriteStream(path, { flags: "wx", mode: 0o600 });
  const written = finished(out);
  const archive = new ZipArchive();
  archive.on("error", (error) => out.destroy(error));
  archive.pipe(out);
  for (const [name, text] of Object.entries(files)) archive.append(text, { name: `trailglass/${name}` });
  await Promise.all([archive.finalize(), written]);
}

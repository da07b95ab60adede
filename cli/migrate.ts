import { migrations } from "../migrations/index.ts";
import { readSchemaState, migrate as runMigrations } from "../src/database/migrator.ts";
import { type GlobalOptions, withContext } from "./with-context.ts";

interface MigrateOptions extends GlobalOptions {
  status?: boolean;
  dryRun?: boolean;
}

const label = (migration: { number: number; name: string }) =>
  `${String(migration.number).padStart(4, "0")} ${migration.name}`;

/** `trailglass migrate`: brings the schema up to date, or with --status or --dry-run tells what would be done. */
export async function migrate(options: MigrateOptions): Promise<void> {
  await withContext(
    options,
    async ({ db }) => {
      const state = await readSchemaState(db, migrations);
      const pending = state.filter(({ appliedAt }) => appliedAt === null);
      if (options.status) {
        for (const migration of state)
          console.log(`${label(migration)}  ${migration.appliedAt ?? "pending"}`);
      } else if (options.dryRun) {
        for (const migration of pending) console.log(`-- ${label(migration)}\n${migration.sql}`);
      } else {
        for (const migration of await runMigrations(db, migrations)) console.log(`ran ${label(migration)}`);
      }
      if (pending.length === 0) console.log("The schema is up to date.");
    },
    { schema: "none" },
  );
}

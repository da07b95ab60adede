import { type Config, ConfigError } from "../src/config/config.ts";
import { migrateObjects } from "../src/storage/migrate.ts";
import { openStorage } from "../src/storage/open-storage.ts";
import { count, inWords, withProgress } from "./progress-bar.ts";
import { describe } from "./storage-check.ts";
import { CommandError, type GlobalOptions, withContext } from "./with-context.ts";

interface StorageMigrateOptions extends GlobalOptions {
  to: Config["storageBackend"];
}

/** The configuration as it will be. @throws ConfigError */
function configFor(config: Config, to: Config["storageBackend"]): Config {
  if (config.storageBackend === to)
    throw new CommandError(`Pictures are stored there already: STORAGE_BACKEND is ${to}.`);
  const needed = { STORAGE_ACCESS_KEY: config.storageAccessKey, STORAGE_SECRET_KEY: config.storageSecretKey };
  const missing = Object.entries(needed).filter(([, value]) => !value);
  if (to === "s3" && missing.length > 0)
    throw new ConfigError(missing.map(([name]) => `${name} is needed to copy pictures to s3`));
  return { ...config, storageBackend: to };
}

/** `trailglass storage migrate`: copies pictures to another storage. Exit code 1 when some could not be. */
export async function storageMigrate(options: StorageMigrateOptions): Promise<void> {
  const { to } = options;
  const report = await withContext(options, async ({ config, db, storage: source }) => {
    const target = await openStorage(configFor(config, to), db);
    try {
      return await withProgress("Copying", false, (progress) =>
        migrateObjects({ db, source, target, progress }),
      );
    } finally {
      await target.close();
    }
  });
  const { copied, bytes, present, findings } = report;
  for (const finding of findings) console.log(describe(finding));
  console.log(
    `Copied ${count(copied, "picture")} (${inWords(bytes)}) to ${to}; ${present} lay there already.`,
  );
  console.log("Thumbnails are not copied: they are made again when somebody looks at them.");
  console.log(`Now set STORAGE_BACKEND=${to} and restart the server.`);
  console.log("If pictures were uploaded meanwhile, run this once more before you do: what is");
  console.log("there already is not copied again.");
  if (findings.length > 0)
    throw new CommandError(
      `${count(findings.length, "picture")} could not be copied: damaged where they lie.`,
    );
}

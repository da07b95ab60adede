import { openStorage } from "../storage/open-storage.ts";
import { explain } from "./check.ts";
import { withDatabase } from "./database.ts";
import { fail, ok } from "./finding.ts";

/** A small object is stored, read back and deleted. */
export const checkStorage = withDatabase(async (db, { config }) => {
  const storage = await openStorage(config, db);
  try {
    const startedAt = performance.now();
    await storage.probe();
    const ms = Math.round(performance.now() - startedAt);
    return ok(`${storage.backend}: written, read and deleted in ${ms} ms`);
  } catch (error) {
    const mend = "Pictures can neither be stored nor shown. Check STORAGE_* and DATA_DIR, and free space.";
    return fail(`${storage.backend}: ${explain(error)}`, mend);
  } finally {
    await storage.close();
  }
});

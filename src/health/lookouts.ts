import type { Database } from "../database/client.ts";
import { ping } from "../database/facts.ts";
import type { ObjectStorage } from "../storage/storage.ts";
import { readRoom, stateOfRoom } from "./disk.ts";
import type { Finding, Lookout } from "./health.ts";

/** Whether some work can be done. */
async function works(work: Promise<unknown>): Promise<Finding> {
  const status = await work.then(
    () => "ok",
    () => "unavailable",
  );
  return { status };
}

/** Whether the database answers. */
export const databaseLookout = (db: Database): Lookout => ({ look: () => works(ping(db)) });

/** The key of an object that never is: keys are made of random characters. */
const nobodysKey = `probes/${"0".repeat(32)}`;

/** Whether the storage answers. It is only asked for what is not there: a probe that writes wears out an SD card. */
export const storageLookout = (storage: ObjectStorage): Lookout => ({
  look: () => works(storage.stat(nobodysKey)),
});

/** Whether there is room for data. */
export const diskLookout = (folder: string): Lookout => ({
  async look() {
    const room = await readRoom(folder).catch(() => null);
    return room && { status: stateOfRoom(room) };
  },
});

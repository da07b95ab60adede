import { join } from "node:path";

/**
 * How the program is started: `TEST_PROGRAM`, which `scripts/test.sh` builds since it starts in a third of the time,
 * else from its sources.
 */
export const program: readonly string[] = process.env.TEST_PROGRAM
  ? [process.env.TEST_PROGRAM]
  : [process.execPath, join(import.meta.dir, "../../cli/main.ts")];

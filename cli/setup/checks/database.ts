import { migrations } from "../../../migrations/index.ts";
import type { Config } from "../../../src/config/config.ts";
import { mayCreateTables } from "../../../src/database/create-rights.ts";
import { readServerFacts } from "../../../src/database/facts.ts";
import { readSchemaState, SchemaError } from "../../../src/database/migrator.ts";
import { DatabaseUnavailableError, openDatabase } from "../../../src/database/open.ts";
import { createLog } from "../../../src/log.ts";
import type { Problem } from "../question.ts";
import { clockProblem } from "./clock.ts";

const silent = () => createLog({ level: "silent", format: "json", destination: { write() {} } });

const options = { waitSeconds: 0, onFatal() {}, joinsRunning: true };

/** Whether a database of one's own can be used: it answers, is new enough, takes our tables, and tells the same time. */
export async function examineDatabase(config: Config): Promise<Problem[]> {
  try {
    const client = await openDatabase(config, silent(), options);
    try {
      await readSchemaState(client.db, migrations);
      if (!(await mayCreateTables(client.db)))
        return [
          {
            message: `The user may not create tables there. As its owner: GRANT CREATE ON SCHEMA public TO the user.`,
          },
        ];
      return clockProblem("the database", (await readServerFacts(client.db)).now);
    } finally {
      await client.close(1);
    }
  } catch (error) {
    if (error instanceof DatabaseUnavailableError || error instanceof SchemaError)
      return [{ message: error.message }];
    throw error;
  }
}

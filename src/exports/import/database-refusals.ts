import { DatabaseUnavailableError } from "../../database/open.ts";
import { codeOf, isTransient } from "../../database/sqlstate.ts";
import { ImportError } from "./import-error.ts";

/** Data exceptions (class 22), integrity constraint violations (23), and a program's limits (54). Source: PostgreSQL, appendix A. */
const unfit = /^(22|23|54)/;

/** What an administrator can do something about. */
const remedies: Readonly<Record<string, string>> = {
  "42501":
    "The database user may not make temporary tables, which an import needs: GRANT TEMPORARY ON DATABASE to it",
  "53100": "The disk of the database is full; nothing was changed",
};

/**
 * Says in words why the database does not do its part.
 * @throws ImportError, also for rows that it does not take, though nothing was found wrong with them;
 * DatabaseUnavailableError; or what the work throws
 */
export async function taken<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const code = codeOf(cause) ?? "";
    const remedy = remedies[code];
    if (remedy !== undefined) throw new ImportError("refused", remedy, { cause });
    if (unfit.test(code))
      throw new ImportError("damaged", `The rows of the file do not fit together (${code})`, { cause });
    if (isTransient(cause)) throw new DatabaseUnavailableError("The database went away; try again");
    throw cause;
  }
}

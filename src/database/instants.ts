import { type SQL, type SQLWrapper, sql } from "drizzle-orm";

/**
 * An instant as the API spells it: UTC, `Z`, milliseconds (cut, not rounded). Read as text, since a JS date would
 * go through the driver's codecs and lose what lies below a millisecond anyway.
 */
export function isoInstant(column: SQLWrapper): SQL<string> {
  return sql<string>`to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

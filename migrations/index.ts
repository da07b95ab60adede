import initial from "./0001_initial.sql" with { type: "text" };
import pictures from "./0002_pictures.sql" with { type: "text" };
import work from "./0003_work.sql" with { type: "text" };

export interface Migration {
  /** Position in the list, from 1. */
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}

/** All migrations in order. Append only: what has run somewhere is never edited. */
export const migrations: readonly Migration[] = [
  { number: 1, name: "initial", sql: initial },
  { number: 2, name: "pictures", sql: pictures },
  { number: 3, name: "work", sql: work },
];

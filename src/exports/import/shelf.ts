import type { Content } from "../../sync/entity.ts";
import type { Value } from "./copy-text.ts";
import { deviceInstant, given, moment, Unfit } from "./plain-values.ts";

/** Name and type in the words of SQL. */
export type ShelfColumn = readonly [name: string, type: string];

/** Where rows of a dataset wait until all of them are known to fit: a table of this transaction's own. */
export interface Shelf {
  readonly table: string;
  /** Beside `place`, where in the file the row is. */
  readonly columns: readonly ShelfColumn[];
  /** Values of the columns. @param row valid against the format's own schema @throws Unfit */
  readonly read: (row: Content) => Value[];
}

/** Ids sort by their bytes, as everywhere. */
export const idType = 'text COLLATE "C"';

/** Versions and times of an entity, as columns. */
export const stampColumns: readonly ShelfColumn[] = [
  ["server_version", "bigint"],
  ["edited_version", "bigint"],
  ["local_version", "bigint"],
  ["last_modified", "timestamptz(3)"],
  ["device_id", "uuid"],
  ["created_at", "timestamptz"],
  ["updated_at", "timestamptz"],
];

interface Stamped {
  readonly serverVersion: number;
  readonly editedVersion: number;
  readonly localVersion: number | null;
  readonly lastModified: string | null;
  readonly deviceId: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** @throws Unfit */
export function readStamps(row: Content): Value[] {
  const stamps = row as unknown as Stamped;
  const serverVersion = given(stamps.serverVersion, "serverVersion");
  const editedVersion = given(stamps.editedVersion, "editedVersion");
  if (editedVersion > serverVersion) throw new Unfit("editedVersion: is after serverVersion");
  return [
    serverVersion,
    editedVersion,
    stamps.localVersion,
    deviceInstant(stamps.lastModified, "lastModified"),
    stamps.deviceId,
    moment(stamps.createdAt, "createdAt"),
    moment(stamps.updatedAt, "updatedAt"),
  ];
}

import { z } from "zod";
import type { Content, Entity } from "../../sync/entity.ts";
import { leavesOf, valueAt } from "../../sync/rows.ts";
import { instant, largestGiven } from "../../sync/schemas.ts";
import type { Value } from "./copy-text.ts";
import { fitting, moment, requireKnown, Unfit } from "./plain-values.ts";
import { idType, readStamps, type Shelf, type ShelfColumn, stampColumns } from "./shelf.ts";

/**
 * What an entity says, by the rules that a phone's change has to meet. Links come from files of their own: lists of them may
 * be longer than what one change may say.
 * @throws Unfit
 */
export function contentOf(entity: Entity, row: Content): Content {
  const links = Object.keys(entity.linkKeys ?? {});
  const own = links.length === 0 ? row : { ...row, ...Object.fromEntries(links.map((key) => [key, null])) };
  const content = fitting(entity.schema, own);
  for (const key in content) requireKnown(row[key], content[key], key);
  const contradiction = entity.contradiction?.(content) ?? null;
  if (contradiction !== null) throw new Unfit(contradiction);
  return content;
}

const shelfOf = (entity: Entity, columns: readonly ShelfColumn[], read: Shelf["read"]): Shelf => ({
  table: `import_${entity.kind}`,
  columns: [["id", idType], ...stampColumns, ...columns],
  read: (row) => [String(row.id), ...readStamps(row), ...read(row)],
});

function leafColumns(entity: Entity): ShelfColumn[] {
  return leavesOf(entity.fields).map(({ column }) => [column.name, column.getSQLType()]);
}

function leafValues(entity: Entity): (content: Content) => Value[] {
  const leaves = leavesOf(entity.fields);
  return (content) => leaves.map(({ path }) => (valueAt(content, path) ?? null) as Value);
}

/** A kind whose rows say nothing beside their content. */
function plainShelf(entity: Entity): Shelf {
  const valuesOf = leafValues(entity);
  return shelfOf(entity, leafColumns(entity), (row) => valuesOf(contentOf(entity, row)));
}

/** Points always name their device: that guards their account. */
function locationShelf(entity: Entity): Shelf {
  const { read, ...shelf } = plainShelf(entity);
  return {
    ...shelf,
    read(row) {
      if (row.deviceId === null) throw new Unfit("deviceId: is missing, and every point has one");
      return read(row);
    },
  };
}

const groupStamp = z.strictObject({
  version: z.int().min(1).max(largestGiven),
  lastModified: instant,
  deviceId: z.guid().nullable(),
});

/** Version, time and device of each group's last change. @throws Unfit */
export function readGroupStamps(entity: Entity, stamps: unknown): Content | null {
  const groups = Object.keys(entity.schema.shape).map((name) => [name, groupStamp.optional()] as const);
  return fitting(z.strictObject(Object.fromEntries(groups)).nullable(), stamps, "groupStamps");
}

/** Groups are kept whole: what a phone leaves out of one was filled in when it came. */
function requireWholeGroups(content: Content): void {
  for (const [name, group] of Object.entries(content))
    for (const [key, value] of Object.entries(group ?? {}))
      if (value === null) throw new Unfit(`${name}.${key}: is missing`);
}

function settingsShelf(entity: Entity): Shelf {
  const valuesOf = leafValues(entity);
  return shelfOf(entity, leafColumns(entity), (row) => {
    const content = contentOf(entity, row);
    requireWholeGroups(content);
    return valuesOf({ ...content, groupStamps: readGroupStamps(entity, row.groupStamps) });
  });
}

/** The picture of a photo, as its row tells of it. What it is is found out anew from its bytes. */
interface PhotoFile {
  readonly path: string | null;
  readonly sha256: string;
  readonly size: number;
  readonly said: Content | null;
  readonly attachedAt: string;
  readonly storedAt: string;
}

const fileColumns: readonly ShelfColumn[] = [
  ["file_path", "text"],
  ["file_sha256", "text"],
  ["file_size", "bigint"],
  ["file_said", "jsonb"],
  ["file_attached_at", "timestamptz"],
  ["file_stored_at", "timestamptz"],
];

function photoShelf(entity: Entity): Shelf {
  const valuesOf = leafValues(entity);
  const saidSchema = entity.schema
    .pick({ location: true, caption: true, exifData: true })
    .strict()
    .nullable();
  const readFile = (file: PhotoFile | null): Value[] => {
    if (file === null) return fileColumns.map(() => null);
    const said = fitting(saidSchema, file.said, "file.said");
    requireKnown(file.said, said, "file.said");
    const attachedAt = moment(file.attachedAt, "file.attachedAt");
    return [file.path, file.sha256, file.size, said, attachedAt, moment(file.storedAt, "file.storedAt")];
  };
  const columns = [...leafColumns(entity), ...fileColumns];
  return shelfOf(entity, columns, (row) => [
    ...valuesOf(contentOf(entity, row)),
    ...readFile(row.file as PhotoFile | null),
  ]);
}

/** Where live entities of a kind wait. */
export function entityShelf(entity: Entity): Shelf {
  if (entity.kind === "locations") return locationShelf(entity);
  if (entity.kind === "photos") return photoShelf(entity);
  return entity.kind === "settings" ? settingsShelf(entity) : plainShelf(entity);
}

import type { Content } from "../../sync/entity.ts";
import { captionOf, type PhotoDetails, placeOf } from "../map-journal.ts";
import type { Snapshot } from "../snapshot.ts";
import type { Dataset } from "../sources.ts";
import { byteOrderMark, type CellType, toCell, toLine } from "./cells.ts";

interface CsvColumn {
  readonly name: string;
  readonly type: CellType;
  readonly value: (row: Content) => unknown;
}

/** Columns that are called as they are in the row. */
const plain = (type: CellType, ...names: readonly string[]): CsvColumn[] =>
  names.map((name) => ({ name, type, value: (row) => row[name] }));
const text = (...names: readonly string[]) => plain("text", ...names);
const values = (...names: readonly string[]) => plain("value", ...names);
const list = (...names: readonly string[]) => plain("list", ...names);

type PlaceOf = (row: Content) => { latitude: number; longitude: number } | null;
const place = (find: PlaceOf): CsvColumn[] => [
  { name: "latitude", type: "value", value: (row) => find(row)?.latitude },
  { name: "longitude", type: "value", value: (row) => find(row)?.longitude },
];
const ownPlace: PlaceOf = ({ location }) => location as ReturnType<PlaceOf>;

const detailsOf = ({ file }: Content) => file as PhotoDetails | null;

/** The camera, by the first who says anything of it. */
const camera = (...names: readonly string[]): CsvColumn[] =>
  names.map((name) => ({
    name,
    type: "text",
    value: (row) => {
      const details = detailsOf(row);
      return [row.exifData as Content | null, details?.said?.exifData, details?.facts]
        .map((source) => source?.[name])
        .find((value) => value !== null && value !== undefined);
    },
  }));

const ofFile = (type: CellType, name: string, key: string): CsvColumn => ({
  name,
  type,
  value: (row) => detailsOf(row)?.[key],
});

const written = text("createdAt", "updatedAt", "deviceId");

const tables: Partial<Record<Dataset, { name: string; columns: readonly CsvColumn[] }>> = {
  devices: {
    name: "devices.csv",
    columns: text(
      "deviceId",
      "deviceName",
      "platform",
      "osVersion",
      "appVersion",
      "registeredAt",
      "lastSyncAt",
    ),
  },
  locations: {
    name: "locations.csv",
    columns: [
      ...text("id", "timestamp"),
      ...values("latitude", "longitude", "altitude", "accuracy", "speed", "bearing"),
      ...text("provider"),
      ...values("batteryLevel"),
      ...text("clientTimestamp"),
      ...written,
    ],
  },
  placeVisits: {
    name: "place-visits.csv",
    columns: [
      ...text("id", "placeName", "address", "category"),
      ...place(ownPlace),
      ...text("arrivalTime", "departureTime"),
      ...values("durationMinutes", "confidence", "isFavorite"),
      ...text("notes"),
      ...list("photos"),
      ...text("tripId", "createdBy"),
      ...written,
    ],
  },
  trips: {
    name: "trips.csv",
    columns: [
      ...text("id", "name", "startDate", "endDate", "notes"),
      ...values("totalDistance"),
      ...list("countries", "placeVisits", "photos"),
      ...text("createdBy"),
      ...written,
    ],
  },
  tripDays: {
    name: "trip-days.csv",
    columns: [...text("id", "tripId", "date", "notes"), ...written],
  },
  photos: {
    name: "photos.csv",
    columns: [
      ...text("id", "timestamp"),
      ...place(placeOf),
      { name: "caption", type: "text", value: captionOf },
      ...text("placeVisitId", "tripId"),
      ...camera("cameraMake", "cameraModel", "lensModel", "focalLength", "aperture", "iso", "shutterSpeed"),
      ofFile("text", "file", "path"),
      ofFile("text", "mediaType", "mediaType"),
      ofFile("value", "size", "size"),
      ofFile("text", "sha256", "sha256"),
      ...written,
    ],
  },
  photoAttachments: {
    name: "photo-attachments.csv",
    columns: [...text("id", "photoId", "placeVisitId", "attachedAt", "caption"), ...written],
  },
};

async function* csvTable(
  columns: readonly CsvColumn[],
  rows: AsyncIterable<Content>,
): AsyncGenerator<string> {
  yield byteOrderMark + toLine(columns.map(({ name }) => name));
  for await (const row of rows) yield toLine(columns.map(({ type, value }) => toCell(value(row), type)));
}

/** A table for each kind that people have something to do with. Envelopes and what only machines need are left out. */
export const csvFiles = Object.entries(tables).map(([dataset, { name, columns }]) => ({
  name,
  content: (snapshot: Snapshot) => csvTable(columns, snapshot.records(dataset as Dataset)),
}));

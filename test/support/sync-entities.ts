type Fields = Record<string, unknown>;

/** An instant of a day in spring, so many minutes after noon. */
export const minute = (minutes: number) => new Date(Date.UTC(2025, 3, 1, 12, minutes)).toISOString();

const bookkeeping = {
  syncAction: "CREATE",
  localVersion: 1,
  serverVersion: null,
  lastModified: minute(0),
};

/** A point as today's app sends it, with explicit nulls. */
export function location(id: string, fields: Fields = {}): Fields {
  return {
    id,
    timestamp: minute(0),
    latitude: 48.1,
    longitude: 11.5,
    altitude: null,
    accuracy: 5,
    speed: null,
    bearing: null,
    provider: "GPS",
    batteryLevel: null,
    clientTimestamp: null,
    ...bookkeeping,
    ...fields,
  };
}

/** So many points of one track, none like another. */
export function track(count: number, prefix: string): Fields[] {
  return Array.from({ length: count }, (_, index) =>
    location(`${prefix}-${index}`, {
      timestamp: new Date(Date.UTC(2025, 0, 1) + index * 1000).toISOString(),
    }),
  );
}

/** A place visit as today's app sends it. */
export function visit(id: string, fields: Fields = {}): Fields {
  return {
    id,
    location: { latitude: 48.1, longitude: 11.5 },
    placeName: "Cafe",
    address: null,
    category: "FOOD",
    arrivalTime: minute(0),
    departureTime: minute(30),
    durationMinutes: 30,
    confidence: 0.9,
    isFavorite: false,
    notes: null,
    photos: [],
    tripId: null,
    createdBy: null,
    ...bookkeeping,
    ...fields,
  };
}

/** A trip as today's app sends it: it never knows its members. */
export function trip(id: string, fields: Fields = {}): Fields {
  return {
    id,
    name: "Alps",
    startDate: minute(0),
    endDate: minute(3000),
    placeVisits: [],
    photos: [],
    notes: null,
    totalDistance: null,
    countries: ["Austria"],
    createdBy: null,
    ...bookkeeping,
    ...fields,
  };
}

/** A photo as today's app sends it, its `url` a path on the phone. */
export function photo(id: string, fields: Fields = {}): Fields {
  return {
    id,
    timestamp: minute(5),
    location: { latitude: 48.1, longitude: 11.5 },
    placeVisitId: null,
    tripId: null,
    caption: null,
    url: "content://media/external/images/17",
    thumbnailUrl: null,
    exifData: null,
    ...bookkeeping,
    ...fields,
  };
}

/** A photo shown at a visit. */
export function attachment(id: string, photoId: string, placeVisitId: string, fields: Fields = {}): Fields {
  return { id, photoId, placeVisitId, attachedAt: minute(6), caption: null, ...bookkeeping, ...fields };
}

/** What was written about a day of a trip. */
export function tripDay(id: string, tripId: string, date: string, fields: Fields = {}): Fields {
  return { id, tripId, date, notes: "rain", ...bookkeeping, ...fields };
}

/** A deletion as today's app sends it: the whole entity with another action. */
export const deleted = (entity: Fields, fields: Fields = {}): Fields => ({
  ...entity,
  syncAction: "DELETE",
  ...fields,
});

/** Text of the form of a ciphertext. */
export const cipher = (text: string) =>
  `aXY=:dGFn:${Buffer.from(text).toString("base64").replaceAll("+", "-").replaceAll("/", "_")}`;

/** An entity as a phone in end-to-end mode sends it. */
export function envelope(id: string | null, text: string, fields: Fields = {}): Fields {
  return { id, encryptedData: cipher(text), encryptionVersion: 1, ...bookkeeping, ...fields };
}

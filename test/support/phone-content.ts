/** The lists a delta carries. The last two are known to the coming app only. */
export const KINDS = ["locations", "placeVisits", "trips", "photos", "photoAttachments", "tripDays"] as const;
export type Kind = (typeof KINDS)[number];

/** Which app looks at the data: today's, which never knows some fields, or the coming one. */
export type View = "today" | "new";

export interface Place {
  latitude: number;
  longitude: number;
}

export interface LocationContent {
  id: string;
  timestamp: string;
  latitude: number;
  longitude: number;
  accuracy: number;
  speed?: number | null;
  bearing?: number | null;
  provider: string;
  altitude?: number | null;
  batteryLevel?: number | null;
}

export interface PlaceVisitContent {
  id: string;
  location: Place;
  placeName: string | null;
  address?: string | null;
  category: string;
  arrivalTime: string;
  departureTime?: string | null;
  confidence: number;
  isFavorite: boolean;
  notes?: string | null;
  photos: string[];
  tripId?: string | null;
}

export interface TripContent {
  id: string;
  name: string;
  startDate: string;
  endDate: string;
  notes?: string | null;
  totalDistance?: number | null;
  countries: string[];
  placeVisits?: string[];
  photos?: string[];
}

export interface PhotoContent {
  id: string;
  timestamp: string;
  location?: Place | null;
  placeVisitId?: string | null;
  tripId?: string | null;
  caption?: string | null;
  exifData?: Record<string, unknown> | null;
}

export interface AttachmentContent {
  id: string;
  photoId: string;
  placeVisitId: string;
  attachedAt: string;
  caption?: string | null;
}

export interface TripDayContent {
  id: string;
  tripId: string;
  date: string;
  notes?: string | null;
}

export interface Contents {
  locations: LocationContent;
  placeVisits: PlaceVisitContent;
  trips: TripContent;
  photos: PhotoContent;
  photoAttachments: AttachmentContent;
  tripDays: TripDayContent;
}

/** What the phone keeps of one entity: an id and the fields its view knows. */
export type Content = { id: string } & Record<string, unknown>;

type Shape = "plain" | "instant" | "signed" | "members" | { links: Kind } | { link: Kind };
type Fields = Record<string, Shape>;

const plain = (...names: string[]): Fields =>
  Object.fromEntries(names.map((name) => [name, "plain" as const]));

const TODAY: Record<Kind, Fields> = {
  locations: {
    timestamp: "instant",
    ...plain("latitude", "longitude", "accuracy", "speed", "bearing", "provider"),
  },
  placeVisits: {
    ...plain("location", "placeName", "address", "category", "confidence", "isFavorite", "notes"),
    arrivalTime: "instant",
    departureTime: "instant",
    durationMinutes: "plain",
    photos: { links: "photos" },
  },
  trips: {
    ...plain("name", "notes", "totalDistance", "countries"),
    startDate: "instant",
    endDate: "instant",
  },
  photos: { timestamp: "instant", location: "plain" },
  photoAttachments: { ...plain("photoId", "placeVisitId", "caption"), attachedAt: "instant" },
  tripDays: plain("tripId", "date", "notes"),
};

/** Rule 11 of http-api.md: what today's app never knows and always sends empty. */
const NEVER_KNOWN_TODAY: Record<Kind, Fields> = {
  locations: plain("altitude", "batteryLevel"),
  placeVisits: { tripId: { link: "trips" } },
  trips: { placeVisits: { links: "placeVisits" }, photos: { links: "photos" } },
  photos: {
    placeVisitId: { link: "placeVisits" },
    tripId: { link: "trips" },
    caption: "plain",
    exifData: "members",
  },
  photoAttachments: {},
  tripDays: {},
};

/** What only the server ever says, and phones never send: where a picture is, and what its bytes say of themselves. */
const TOLD: Record<View, Partial<Record<Kind, Fields>>> = {
  today: { photos: { url: "signed" } },
  new: {
    photos: {
      url: "signed",
      thumbnailUrl: "signed",
      previewUrl: "signed",
      ...plain("previewProblem", "mimeType", "sizeBytes", "sha256", "width", "height"),
      ...plain("capturedAt", "capturedAtOffset"),
    },
  },
};

/** Tells whether the phone holds an entity: a link to what it does not hold shows nothing. */
export type Holds = (kind: Kind, id: string) => boolean;

function fieldsOf(kind: Kind, view: View): Fields {
  return view === "today" ? TODAY[kind] : { ...TODAY[kind], ...NEVER_KNOWN_TODAY[kind] };
}

/** The same with what the server alone says. */
function heldFields(kind: Kind, view: View): Fields {
  return { ...fieldsOf(kind, view), ...TOLD[view][kind] };
}

function empty(shape: Shape): unknown {
  return typeof shape === "object" && "links" in shape ? [] : null;
}

/** Completes what a person entered: absent fields become null or empty, the visit's duration is worked out. */
export function completed(kind: Kind, content: Content, view: View): Content {
  const whole: Content = { id: content.id };
  for (const [name, shape] of Object.entries(heldFields(kind, view)))
    whole[name] = content[name] ?? empty(shape);
  if (kind === "placeVisits") whole.durationMinutes = wholeMinutes(content);
  return whole;
}

function wholeMinutes(visit: Content): number | null {
  const { arrivalTime, departureTime } = visit;
  if (typeof arrivalTime !== "string" || typeof departureTime !== "string") return null;
  const span = Date.parse(cutToMillis(departureTime)) - Date.parse(cutToMillis(arrivalTime));
  return Math.floor(span / 60_000);
}

/** The entity as the app serialises it: every field, defaults and nulls included, what it never knows empty. */
export function toWire(kind: Kind, content: Content): Record<string, unknown> {
  const wire: Record<string, unknown> = { id: content.id };
  for (const [name, shape] of Object.entries(fieldsOf(kind, "new")))
    wire[name] = content[name] ?? empty(shape);
  if (kind === "photos")
    return { ...wire, url: `content://media/external/${content.id}`, thumbnailUrl: null };
  if (kind === "placeVisits" || kind === "trips") return { ...wire, createdBy: null };
  if (kind === "locations") return { ...wire, clientTimestamp: content.timestamp };
  return wire;
}

/** What an envelope holds: all but what the server alone says. */
export function toSeal(kind: Kind, content: Content, view: View): Content {
  const told = Object.keys(TOLD[view][kind] ?? {});
  return Object.fromEntries(Object.entries(content).filter(([name]) => !told.includes(name))) as Content;
}

/**
 * What the phone stores of an entity it was sent: the fields its view knows, nothing else. Of a signed link it is the
 * path, the same in every answer.
 */
export function fromWire(kind: Kind, entity: Record<string, unknown>, view: View): Content {
  const content: Content = { id: String(entity.id) };
  for (const [name, shape] of Object.entries(heldFields(kind, view))) {
    const value = entity[name] ?? empty(shape);
    content[name] = shape === "signed" && value !== null ? new URL(String(value)).pathname : value;
  }
  return content;
}

/** One way to write the same content, so that two phones can be compared: no versions, links only to what is held. */
export function canonical(kind: Kind, content: Content, view: View, holds: Holds): Record<string, unknown> {
  const result: Record<string, unknown> = { id: content.id };
  for (const [name, shape] of Object.entries(heldFields(kind, view))) {
    result[name] = canonicalValue(shape, content[name] ?? empty(shape), holds);
  }
  return result;
}

function canonicalValue(shape: Shape, value: unknown, holds: Holds): unknown {
  if (value === null || shape === "plain" || shape === "signed") return value;
  if (shape === "instant") return cutToMillis(String(value));
  if (shape === "members") return membersOf(value as object);
  if ("link" in shape) return holds(shape.link, String(value)) ? value : null;
  return (value as string[]).filter((id) => holds(shape.links, id)).sort();
}

/** The members that say something; null when none does. */
function membersOf(value: object): object | null {
  const said = Object.entries(value).filter(([, member]) => member !== null && member !== undefined);
  return said.length > 0 ? Object.fromEntries(said.sort(([a], [b]) => (a < b ? -1 : 1))) : null;
}

/** Cuts micro- and nanoseconds off, as the server does at its door. */
export function cutToMillis(text: string): string {
  const match = /^(.*\d\d:\d\d:\d\d)(?:\.(\d+))?Z$/.exec(text);
  if (!match) return text;
  return `${match[1]}.${(match[2] ?? "").padEnd(3, "0").slice(0, 3)}Z`;
}

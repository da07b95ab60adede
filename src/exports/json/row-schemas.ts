import { z } from "zod";
import { kinds } from "../../sync/entity.ts";
import type { Dataset } from "../sources.ts";

/*
 * What the files of an export in JSON hold. Whoever reads them can rely on it: a key that is here is always there, and
 * nothing else is. Whatever is changed here makes another version of the format.
 */

export const text = z.string();
export const id = z
  .string()
  .regex(/^[A-Za-z0-9._:-]{1,128}$/)
  .describe("As the phone chose it; unique within the account and kind.");
const uuid = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
export const version = z.int().min(0).describe("A version of the account's own counter.");
export const instant = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/)
  .describe("ISO 8601, UTC, with up to six digits of a second's fraction.");
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
export const count = z.int().min(0);
const latitude = z.number().min(-90).max(90).describe("Degrees, WGS 84.");
const longitude = z.number().min(-180).max(180).describe("Degrees, WGS 84.");
const place = z.strictObject({ latitude, longitude });
const words = z.record(z.string(), z.unknown());

/** What every entity says of how it came to be as it is. */
const stamps = {
  serverVersion: version.describe("Under which phones are given it."),
  editedVersion: version.describe("At which a device last edited it; decides conflicts."),
  localVersion: z.int().nullable().describe("The device's own count of its edits."),
  lastModified: instant.nullable().describe("By the device's clock; null when it did not say."),
  deviceId: uuid.nullable().describe("Who wrote it last."),
  createdAt: instant.describe("When the server first had it."),
  updatedAt: instant.describe("When the server last changed it."),
};

const device = z.strictObject({
  deviceId: uuid,
  deviceName: text,
  platform: text,
  osVersion: text,
  appVersion: text,
  registeredAt: instant,
  lastSyncAt: instant.nullable(),
  syncVersion: version.describe("Up to where it surely has every change."),
  voidCursor: version.nullable(),
  clearSince: version.nullable(),
  returnAnswer: version.nullable(),
});

const location = z.strictObject({
  id,
  timestamp: instant,
  latitude,
  longitude,
  altitude: z.number().nullable().describe("Metres."),
  accuracy: z.number().min(0).describe("Metres."),
  speed: z.number().nullable().describe("Metres a second."),
  bearing: z.number().nullable().describe("Degrees clockwise from north."),
  provider: text,
  batteryLevel: z.number().nullable().describe("0 to 1."),
  clientTimestamp: instant.nullable(),
  ...stamps,
});

const placeVisit = z.strictObject({
  id,
  location: place,
  placeName: text.nullable(),
  address: text.nullable(),
  category: text,
  arrivalTime: instant,
  departureTime: instant.nullable(),
  durationMinutes: count.nullable(),
  confidence: z.number().min(0).max(1),
  isFavorite: z.boolean(),
  notes: text.nullable(),
  photos: z.array(id).describe("Shown here; follows from photo-attachments.json."),
  tripId: id.nullable().describe("Follows from trip-members.json."),
  createdBy: text.nullable(),
  ...stamps,
});

const trip = z.strictObject({
  id,
  name: text,
  startDate: instant,
  endDate: instant,
  placeVisits: z.array(id).describe("Follows from trip-members.json."),
  photos: z.array(id).describe("Follows from trip-members.json."),
  notes: text.nullable(),
  totalDistance: z.number().min(0).nullable().describe("Metres."),
  countries: z.array(text),
  createdBy: text.nullable(),
  ...stamps,
});

const tripDay = z.strictObject({
  id,
  tripId: id,
  date: z.string().regex(/^\d{4}-\d\d-\d\d$/),
  notes: text.nullable(),
  ...stamps,
});

const photoFile = z.strictObject({
  path: text.nullable().describe("The picture in this archive; null when pictures were not asked for."),
  sha256: sha256.describe("Of the picture."),
  size: count.describe("Bytes."),
  mediaType: text,
  said: words.nullable().describe("What came with the picture, shown where the photo itself says nothing."),
  facts: words.describe("What the picture says of itself."),
  previewProblem: text.nullable().describe("Why no thumbnail can be made of it."),
  attachedAt: instant,
  storedAt: instant,
});

const photo = z.strictObject({
  id,
  timestamp: instant,
  location: place.nullable(),
  placeVisitId: id.nullable().describe("Follows from photo-attachments.json."),
  tripId: id.nullable().describe("Follows from trip-members.json."),
  caption: text.nullable(),
  exifData: words.nullable(),
  file: photoFile.nullable().describe("Null while the picture has not come."),
  ...stamps,
});

const photoAttachment = z.strictObject({
  id,
  photoId: id,
  placeVisitId: id,
  attachedAt: instant,
  caption: text.nullable(),
  ...stamps,
});

const group = words.nullable();
const settings = z.strictObject({
  id: z.literal("settings"),
  trackingPreferences: group,
  privacySettings: group,
  unitPreferences: group,
  appearanceSettings: group,
  groupStamps: words.nullable().describe("Version, time and device of each group's last change."),
  ...stamps,
});

const kind = z.enum(kinds);

const envelope = z.strictObject({
  kind,
  id,
  encryptedData: text.describe("As the phone sent it: iv:tag:ciphertext."),
  encryptionVersion: z.int(),
  ...stamps,
});

const tripMember = z.strictObject({
  tripId: id,
  memberKind: z.enum(["placeVisits", "photos"]),
  memberId: id,
  version: version.describe("At which it was added or taken away."),
  removed: z.boolean().describe("Taken away: late repeats of an old list do not bring it back."),
});

const side = z
  .strictObject({
    content: words.nullable(),
    deleted: z.boolean(),
    encrypted: z.boolean(),
    version: z.int().nullable(),
    localVersion: z.int().nullable(),
    lastModified: instant.nullable(),
  })
  .describe("How one side of it saw the entity.");

const conflict = z.strictObject({
  id: uuid,
  deviceId: uuid,
  kind,
  entityId: id,
  type: text,
  suggestion: text,
  local: side,
  remote: side,
  remoteVersion: version,
  reportedVersion: version.nullable(),
  status: z.enum(["open", "resolved"]),
  resolution: text.nullable(),
  resolutionDetail: z.unknown(),
  owed: z.boolean(),
  owedVersion: version.nullable(),
  createdAt: instant,
  updatedAt: instant,
  resolvedAt: instant.nullable(),
});

const deleted = z.strictObject({
  kind,
  id,
  encrypted: z.boolean(),
  photoId: id.nullable().describe("What an attachment linked."),
  placeVisitId: id.nullable().describe("What an attachment linked."),
  deletedAt: instant,
  ...stamps,
});

/** One row of each dataset. */
export const rowSchemas: Readonly<Record<Dataset, z.ZodObject>> = {
  devices: device,
  locations: location,
  placeVisits: placeVisit,
  trips: trip,
  tripDays: tripDay,
  photos: photo,
  photoAttachments: photoAttachment,
  settings,
  encrypted: envelope,
  tripMembers: tripMember,
  conflicts: conflict,
  deleted,
};

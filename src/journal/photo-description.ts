import { z } from "zod";
import type { Chapter } from "../api/operation.ts";
import { belem, firstPage, ids, later, link, morning, noon, stamp } from "../api/story.ts";
import { count, id, instant, named, pagination, point, stamped, url, version } from "../api/vocabulary.ts";
import { common } from "../sync/change.ts";
import {
  attachmentChange,
  attachmentsAnswer,
  exampleAttachment,
  exampleLink,
} from "./attachment-description.ts";
import { attachmentsBody } from "./attachments.ts";
import { photo } from "./photo.ts";
import { listQuery } from "./photo-routes.ts";
import { idInPath, readOne, removeOne } from "./resource-description.ts";

const text = z.string().nullable();
const number = z.number().nullable();
const camera = named(
  "Camera",
  z.strictObject({
    cameraModel: text,
    focalLength: number.describe("Millimetres."),
    aperture: number.describe("The f-number."),
    iso: z.int().nullable(),
    shutterSpeed: text.describe("As photographers write it: `1/50`."),
    cameraMake: text.optional(),
    lensModel: text.optional(),
  }),
);

/** What is known of a photo once its bytes have arrived. */
const ofBytes = {
  previewUrl: url.nullable(),
  previewProblem: text.describe("Why there are no thumbnails; null when there are."),
  mimeType: z.string(),
  sizeBytes: count,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  width: z.int().nullable().describe("Pixels, upright."),
  height: z.int().nullable(),
  capturedAt: text.describe("What the camera's clock showed."),
  capturedAtOffset: text.describe("How far that clock was from UTC."),
};

export const photoAnswer = named(
  "Photo",
  z.strictObject({
    id,
    timestamp: instant,
    location: point.nullable(),
    placeVisitId: id.nullable(),
    tripId: id.nullable(),
    caption: text,
    url: url.nullable().describe("A link that is good for 15 minutes; null until the bytes have arrived."),
    thumbnailUrl: url.nullable().describe("The same of a thumbnail, 512 pixels at its longer edge."),
    exifData: camera.nullable(),
    ...stamped,
    ...z.object(ofBytes).partial().shape,
  }),
  "What is known of a picture. The keys from `previewUrl` on are there once its bytes have arrived.",
);

/** A photo as a phone sends it; a `url` of its own is passed over. */
export const photoChange = named("PhotoChange", z.object({ ...common.shape, ...photo.schema.shape }));

const stored = "00112233445566778899aabbccddeeff";
export const examplePhoto = {
  id: ids.photo,
  timestamp: noon,
  location: belem,
  placeVisitId: null,
  tripId: null,
  caption: null,
  url: link("originals", stored),
  thumbnailUrl: link("thumbnails", `${stored}-512`),
  exifData: null,
  ...stamp(8),
  previewUrl: link("thumbnails", `${stored}-2048`),
  previewProblem: null,
  mimeType: "image/jpeg",
  sizeBytes: 2048,
  sha256: "5e4d3c2b1a09f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c5b4a39281706f",
  width: 32,
  height: 24,
  capturedAt: null,
  capturedAtOffset: null,
};

const linkWritten = named(
  "PhotoAttachmentWritten",
  z.strictObject({
    id,
    photoId: z.string(),
    placeVisitId: z.string(),
    attachedAt: instant,
    caption: text,
    deleted: z.boolean(),
    serverVersion: version,
    syncTimestamp: instant,
  }),
);

export const photoChapter: Chapter = {
  tag: "Photos",
  description: "What is known of pictures, and which visits they are shown at.",
  operations: {
    listPhotos: {
      summary: "Photos, newest first",
      access: "account",
      query: listQuery,
      asked: { startTime: morning },
      answers: {
        200: {
          description: "A page.",
          schema: named("Photos", z.strictObject({ photos: z.array(photoAnswer), pagination })),
          examples: { day: { photos: [examplePhoto], pagination: firstPage(100) } },
        },
      },
    },
    readPhoto: readOne("A photo", photoAnswer, { id: ids.photo, value: examplePhoto }),
    removePhoto: removeOne("Deletes a photo with its picture", ids.photo),
    attachPhotos: {
      summary: "Shows photos at visits, or takes them away there",
      description:
        "The last writer wins. `syncAction: DELETE` takes away. Nothing is written when an entry is wrong.",
      access: "account",
      body: {
        schema: named(
          "PhotoAttachmentBatch",
          attachmentsBody.extend({ attachments: z.array(attachmentChange).max(1000) }),
        ),
        examples: { one: { attachments: [{ ...exampleLink, syncAction: "CREATE" }] } },
      },
      answers: {
        200: {
          description: "Each as it stands now.",
          schema: named("PhotoAttachmentsWritten", z.strictObject({ attachments: z.array(linkWritten) })),
          examples: {
            one: {
              attachments: [{ ...exampleLink, deleted: false, serverVersion: 7, syncTimestamp: later }],
            },
          },
        },
      },
    },
    listAttachmentsOfPhoto: {
      summary: "The visits that a photo is shown at",
      access: "account",
      path: idInPath,
      at: { id: ids.photo },
      answers: {
        200: {
          description: "What links it to them, oldest first.",
          schema: attachmentsAnswer,
          examples: { one: { attachments: [exampleAttachment] } },
        },
      },
    },
  },
};

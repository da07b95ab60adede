import { z } from "zod";
import type { Answer, Chapter } from "../api/operation.ts";
import { belem, ids, later, link, noon } from "../api/story.ts";
import { id, instant, named, url, version } from "../api/vocabulary.ts";
import { photo } from "../journal/photo.ts";
import { idInPath, newEntity } from "../journal/resource-description.ts";
import { entityId } from "../sync/schemas.ts";
import { announcement, thumbnailQuery } from "./picture-routes.ts";

const arrived = { id, serverVersion: version, syncTimestamp: instant };
const uploaded = named("PictureUploaded", z.strictObject({ ...arrived, url, thumbnailUrl: url }));
const planned = named(
  "UploadPlan",
  z.strictObject({
    ...arrived,
    url: z.null(),
    thumbnailUrl: z.null(),
    upload: z.strictObject({
      method: z.literal("PUT"),
      url: url.describe("Where the bytes are put; good until `expiresAt`."),
      headers: z.record(z.string(), z.string()),
      expiresAt: instant,
    }),
  }),
);

const bytes = z.string().meta({ format: "binary" });
const upload = named(
  "PictureUpload",
  z.object({
    file: bytes.describe("JPEG, PNG, WebP, HEIC, HEIF, AVIF or GIF; what it is, its bytes say."),
    metadata: named("PictureMetadata", z.object({ id: entityId, ...photo.schema.shape })),
  }),
);
const photoPlan = named("PictureAnnouncement", newEntity("NewPhoto", photo).extend(announcement.shape));

const originals = link("originals", "00112233445566778899aabbccddeeff");
const thumbnail = link("thumbnails", "00112233445566778899aabbccddeeff-512");
const put = link("uploads", "ffeeddccbbaa99887766554433221100");
const exampleUploaded = (photoId: string, serverVersion: number) => ({
  id: photoId,
  url: originals,
  thumbnailUrl: thumbnail,
  serverVersion,
  syncTimestamp: later,
});
const said = { timestamp: noon, location: belem, placeVisitId: null, tripId: null, caption: null };

const headers = ["ETag", "Cache-Control", "Content-Disposition"];
const picture: Record<number, Answer> = {
  200: {
    description: "The bytes.",
    schema: bytes,
    mediaType: "image/*",
    headers: [...headers, "Accept-Ranges"],
  },
  206: {
    description: "The bytes that were asked for.",
    schema: bytes,
    mediaType: "image/*",
    headers: [...headers, "Content-Range"],
  },
  304: { description: "It is known already.", headers: ["ETag", "Cache-Control"] },
};

export const pictureChapter: Chapter = {
  tag: "Pictures",
  description: "The bytes of photos, in and out.",
  operations: {
    uploadPicture: {
      summary: "Brings the picture of a photo",
      description: "Makes the photo where it is not there yet. May be sent again at any time.",
      access: "account",
      body: {
        schema: upload,
        mediaType: "multipart/form-data",
        examples: { camera: { file: "(bytes of a JPEG)", metadata: { id: ids.photo, ...said } } },
      },
      answers: {
        201: {
          description: "It is stored.",
          schema: uploaded,
          examples: { camera: exampleUploaded(ids.photo, 5) },
        },
      },
      errors: ["CONFLICT"],
    },
    announcePicture: {
      summary: "Plans an upload past this server",
      description: "The bytes are then put to `upload.url`, with its headers, and confirmed.",
      access: "account",
      body: {
        schema: photoPlan,
        examples: {
          camera: {
            id: ids.announcedPhoto,
            ...said,
            fileName: "photo.jpg",
            mimeType: "image/jpeg",
            sizeBytes: 2048,
            sha256: null,
          },
        },
      },
      answers: {
        201: {
          description: "Where to put it.",
          schema: planned,
          examples: {
            camera: {
              id: ids.announcedPhoto,
              url: null,
              thumbnailUrl: null,
              serverVersion: 9,
              syncTimestamp: later,
              upload: {
                method: "PUT",
                url: put,
                headers: { "Content-Type": "image/jpeg" },
                expiresAt: "2025-11-17T18:45:00.000Z",
              },
            },
          },
        },
      },
      errors: ["CONFLICT"],
    },
    confirmPicture: {
      summary: "Says that the bytes were put",
      access: "account",
      path: idInPath,
      at: { id: ids.announcedPhoto },
      answers: {
        200: {
          description: "It is stored.",
          schema: uploaded,
          examples: { one: exampleUploaded(ids.announcedPhoto, 9) },
        },
      },
      errors: ["CONFLICT", "PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"],
    },
    downloadPicture: {
      summary: "The picture, as it came",
      access: "account",
      path: idInPath,
      at: { id: ids.photo },
      headers: ["Range", "If-None-Match"],
      answers: picture,
      errors: ["RANGE_NOT_SATISFIABLE"],
    },
    readThumbnail: {
      summary: "The picture made small",
      access: "account",
      path: idInPath,
      at: { id: ids.photo },
      query: thumbnailQuery,
      asked: { size: "512" },
      headers: ["Range", "If-None-Match"],
      answers: picture,
      errors: ["RANGE_NOT_SATISFIABLE"],
    },
  },
};

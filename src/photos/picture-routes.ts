import { Elysia } from "elysia";
import { z } from "zod";
import type { Context } from "../context.ts";
import { AppError, notFound } from "../errors.ts";
import { described } from "../http/described.ts";
import { signedIn } from "../http/guards.ts";
import { parse, readJson } from "../http/read.ts";
import { extensionOf, mediaTypes, previewTypeOf } from "../images/media-type.ts";
import { photo } from "../journal/photo.ts";
import { anyBody, readId, readPathId } from "../journal/resource.ts";
import { sendObject } from "../storage/send-object.ts";
import type { Content } from "../sync/entity.ts";
import { entityId, maybe } from "../sync/schemas.ts";
import type { PhotoSaid } from "./pictures.ts";
import { thumbnailKey } from "./previews/thumbnail-keys.ts";
import { findByPhoto } from "./stored-pictures.ts";
import { readUpload } from "./upload-form.ts";

/** What `POST /photos` says of the bytes that are to come. */
export const announcement = z.object({
  fileName: maybe(z.string("must be text").max(255, "must have at most 255 characters")),
  mimeType: z.enum(mediaTypes, `must be one of ${mediaTypes.join(", ")}`),
  sizeBytes: z.number("must be a whole number").int("must be a whole number").min(1, "must be at least 1"),
  sha256: maybe(
    z
      .string()
      .regex(/^[0-9a-f]{64}$/i, "must be 64 hexadecimal digits")
      .toLowerCase(),
  ),
});

export const thumbnailQuery = z.object({
  size: z.enum(["512", "2048"], "must be 512 or 2048").default("512"),
});

/** Reads what is said of a photo. @throws 400 */
function readSaid(body: Content): PhotoSaid {
  return { id: readId(body), content: parse(photo.schema, body) };
}

/** The same of an upload, whose photo the phone has made already. */
function readMetadata(metadata: unknown): PhotoSaid {
  const body = parse(anyBody, metadata);
  return { id: parse(z.object({ id: entityId }), body).id, content: parse(photo.schema, body) };
}

/** `/photos`: the bytes of pictures, in and out. */
export function pictureRoutes(context: Context) {
  const { db, storage, spool, pictures, directUploads, previews } = context;

  async function findOriginal(userId: string, rawId: string) {
    const id = readPathId(rawId, "Photo");
    const picture = await findByPhoto(db, userId, id);
    if (!picture) throw notFound("Picture");
    return { ...picture, id };
  }

  return new Elysia({ prefix: "/photos" })
    .use(signedIn(context))
    .post(
      "/upload",
      async ({ request, session, set }) => {
        const form = await readUpload(request, spool);
        await using picture = form.picture;
        const uploaded = await pictures.add(session, readMetadata(form.metadata), picture);
        set.status = 201;
        return uploaded;
      },
      { parse: "none", ...described("uploadPicture") },
    )
    .post(
      "/",
      async ({ request, session, set }) => {
        const body = await readJson(request, anyBody);
        const { mimeType: mediaType, sizeBytes: size, sha256 } = parse(announcement, body);
        if (size > spool.maxBytes) throw spool.tooLarge();
        set.status = 201;
        return directUploads.plan(session, readSaid(body), { mediaType, size, sha256 });
      },
      described("announcePicture"),
    )
    .post(
      "/:id/confirm",
      ({ params, session }) => directUploads.confirm(session, readPathId(params.id, "Photo")),
      described("confirmPicture"),
    )
    .get(
      "/:id/download",
      async ({ params, request, session }) => {
        const { id, key, sha256, mediaType } = await findOriginal(session.userId, params.id);
        return sendObject(request, storage, key, {
          mediaType,
          etag: `"${sha256}"`,
          fileName: `${id}.${extensionOf(mediaType)}`,
          disposition: "attachment",
          cacheControl: "private, no-cache",
        });
      },
      described("downloadPicture"),
    )
    .get(
      "/:id/thumbnail",
      async ({ params, query, request, session }) => {
        const { size } = parse(thumbnailQuery, query);
        const { id, key, sha256, mediaType } = await findOriginal(session.userId, params.id);
        const thumbnail = thumbnailKey(key, size === "512" ? 512 : 2048);
        if (!(await previews.ensure(thumbnail)))
          throw new AppError("NOT_FOUND", "No thumbnail can be made of this picture");
        const type = previewTypeOf(mediaType);
        return sendObject(request, storage, thumbnail, {
          mediaType: type,
          etag: `"${sha256}-${size}"`,
          fileName: `${id}-${size}.${extensionOf(type)}`,
          disposition: "inline",
          cacheControl: "private, no-cache",
        });
      },
      described("readThumbnail"),
    );
}

import type { Database, Transaction } from "../database/client.ts";
import { AppError, invalid, notFound } from "../errors.ts";
import type { Session } from "../http/guards.ts";
import type { MediaType } from "../images/media-type.ts";
import { newKey } from "../storage/object-key.ts";
import { announce } from "../storage/references.ts";
import { linkSeconds, type SignedUrls } from "../storage/signed-urls.ts";
import type { ObjectStorage, OpenObject } from "../storage/storage.ts";
import { type PhotoSaid, type Pictures, saidBeside, type Uploaded } from "./pictures.ts";
import type { Spool, SpooledPicture } from "./spool.ts";
import { findByPhoto } from "./stored-pictures.ts";
import { endUpload, findUpload, planUpload, type UploadPlan } from "./upload-plans.ts";

export interface DirectUploadsParts {
  readonly db: Database;
  readonly storage: ObjectStorage;
  readonly pictures: Pictures;
  readonly spool: Spool;
  readonly signedUrls: SignedUrls;
}

/** What a phone says of the bytes that it is going to bring. */
export interface Announced {
  readonly mediaType: MediaType;
  /** Bytes. */
  readonly size: number;
  /** In hexadecimal; null when it does not say. */
  readonly sha256: string | null;
}

/** HEIC is a kind of HEIF, and which of the two a picture calls itself says little. */
const family = (mediaType: MediaType) => mediaType.replace("heic", "heif");

function requireAsAnnounced(plan: UploadPlan, { size, sha256, mediaType }: SpooledPicture): void {
  if (size !== plan.size) throw invalid({ sizeBytes: `is ${plan.size}, but ${size} bytes arrived` });
  if (plan.sha256 !== null && sha256 !== plan.sha256)
    throw invalid({ sha256: "is not that of the bytes that arrived" });
  if (family(mediaType) === family(plan.mediaType)) return;
  throw new AppError("UNSUPPORTED_MEDIA_TYPE", `The picture is ${mediaType}, not ${plan.mediaType}`);
}

/**
 * Uploads that go straight to the storage: planned, put under a signed URL, confirmed. What is put lies in an area of its
 * own, where it can be written over for as long as the URL is good. Confirming reads it back, checks it, and stores it
 * like any other upload: so an original never changes, and there is one way in.
 */
export class DirectUploads {
  constructor(private readonly parts: DirectUploadsParts) {}

  /** Makes the photo, and the place where its bytes can be put. @throws 409 when it has a picture already */
  async plan(session: Session, said: PhotoSaid, announced: Announced) {
    const { db, storage, pictures, signedUrls } = this.parts;
    const plan = { ...announced, key: newKey("uploads") };
    await announce(db, plan.key);
    const serverVersion = await pictures.write(session, said, async (tx, isThere) => {
      if (await findByPhoto(tx, session.userId, said.id))
        throw new AppError("CONFLICT", "This photo has a picture already");
      await planUpload(tx, session.userId, said.id, { ...plan, said: isThere ? saidBeside(said) : null });
      return false;
    });
    const { key, size, mediaType } = plan;
    const now = Date.now();
    return {
      id: said.id,
      url: null,
      thumbnailUrl: null,
      serverVersion,
      syncTimestamp: new Date(now).toISOString(),
      upload: {
        method: "PUT",
        url: storage.signedUrl("PUT", key, linkSeconds) ?? signedUrls.put(key, { mediaType, size }),
        headers: { "Content-Type": mediaType },
        expiresAt: new Date(now + linkSeconds * 1000).toISOString(),
      },
    };
  }

  /**
   * Takes what was put. A repeat is answered the same.
   * @throws 404 when nothing was planned, 409 when nothing was put yet; when it is not what was announced 400, 413 or
   * 415, and it has to be put again
   */
  async confirm(session: Session, photoId: string): Promise<Uploaded> {
    const { db, storage, pictures } = this.parts;
    const plan = await findUpload(db, session.userId, photoId);
    const put = plan && (await storage.get(plan.key));
    if (!put) return this.#confirmed(session, photoId, plan !== null);
    await using picture = await this.#receive(put);
    requireAsAnnounced(plan, picture);
    const end = (tx: Transaction) => endUpload(tx, session.userId, plan.key);
    const uploaded = await pictures.add(session, { id: photoId, content: plan.said ?? {} }, picture, end);
    // Its line in the books stays: until the URL has expired, it may be put again.
    await storage.delete(plan.key).catch(() => {});
    return uploaded;
  }

  #receive({ body }: OpenObject): Promise<SpooledPicture> {
    return this.parts.spool.receive(body instanceof Blob ? body.stream() : body);
  }

  /** Nothing is there to be taken: it was by an earlier confirm, which may have ended just now, or was never put. */
  async #confirmed(session: Session, photoId: string, isPlanned: boolean): Promise<Uploaded> {
    const { db, pictures } = this.parts;
    const picture = await findByPhoto(db, session.userId, photoId);
    if (!picture && isPlanned)
      throw new AppError("CONFLICT", "The picture has not been put to its upload URL yet");
    if (!picture) throw notFound("Upload");
    const serverVersion = await pictures.write(session, { id: photoId, content: {} }, async () => false);
    return pictures.answer(photoId, picture, serverVersion);
  }
}

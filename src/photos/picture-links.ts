import { extensionOf, type MediaType, previewTypeOf } from "../images/media-type.ts";
import { linkSeconds, type SignedUrls } from "../storage/signed-urls.ts";
import type { ObjectStorage } from "../storage/storage.ts";
import { type Size, thumbnailKey } from "./previews/thumbnail-keys.ts";

/** What a link leads to: an original, and the name it is saved under. */
export interface Linked {
  readonly key: string;
  readonly mediaType: MediaType;
  /** Without ending. */
  readonly name: string;
}

/** Makes the links by which phones get pictures: signed, and good for a while. */
export class PictureLinks {
  constructor(
    private readonly storage: ObjectStorage,
    private readonly urls: SignedUrls,
  ) {}

  /** Where the original is fetched; from S3 itself where phones reach that. */
  original({ key, mediaType, name }: Linked): string {
    const fileName = `${name}.${extensionOf(mediaType)}`;
    return this.storage.signedUrl("GET", key, linkSeconds) ?? this.urls.get(key, { mediaType, fileName });
  }

  /** Where a thumbnail is fetched: always from this server, which makes it when it is not there yet. */
  thumbnail({ key, mediaType, name }: Linked, size: Size): string {
    const type = previewTypeOf(mediaType);
    const fileName = `${name}-${size}.${extensionOf(type)}`;
    return this.urls.get(thumbnailKey(key, size), { mediaType: type, fileName });
  }
}

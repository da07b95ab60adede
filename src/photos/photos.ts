import { join } from "node:path";
import type { Config } from "../config/config.ts";
import type { Database } from "../database/client.ts";
import type { Log } from "../log.ts";
import type { SignedUrls } from "../storage/signed-urls.ts";
import type { ObjectStorage } from "../storage/storage.ts";
import type { AccountQueue } from "../sync/account-queue.ts";
import type { Registry } from "../sync/entity.ts";
import { Avatars } from "./avatars.ts";
import { DirectUploads } from "./direct-uploads.ts";
import type { PictureLinks } from "./picture-links.ts";
import { Pictures } from "./pictures.ts";
import { notePreviewProblem } from "./previews/preview-problem.ts";
import { Previews } from "./previews/previews.ts";
import { Spool } from "./spool.ts";
import { findMediaType } from "./stored-pictures.ts";
import { Sweeper } from "./sweeper.ts";

/** Everything about the bytes of pictures. */
export interface Photos {
  readonly spool: Spool;
  readonly previews: Previews;
  readonly pictures: Pictures;
  readonly directUploads: DirectUploads;
  readonly avatars: Avatars;
  readonly sweeper: Sweeper;
}

export interface PhotosParts {
  readonly config: Config;
  readonly log: Log;
  readonly db: Database;
  readonly storage: ObjectStorage;
  readonly signedUrls: SignedUrls;
  readonly links: PictureLinks;
  readonly accountQueue: AccountQueue;
  readonly registry: Registry;
}

/** Builds what the routes of pictures are made of. */
export function createPhotos(parts: PhotosParts): Photos {
  const { config, log, db, storage, signedUrls, links, accountQueue: accounts, registry } = parts;
  const folder = join(config.dataDir, "incoming");
  const spool = new Spool(folder, config.maxPhotoBytes);
  const previews = new Previews({
    storage,
    log,
    folder,
    typeOf: (key) => findMediaType(db, key),
    noteProblem: (key, problem) => notePreviewProblem(accounts, key, problem),
  });
  const pictures = new Pictures({ accounts, registry, storage, links, log });
  return {
    spool,
    previews,
    pictures,
    directUploads: new DirectUploads({ db, storage, pictures, spool, signedUrls }),
    avatars: new Avatars({ db, storage, previews, signedUrls }),
    sweeper: new Sweeper({ db, storage, spool, log }),
  };
}

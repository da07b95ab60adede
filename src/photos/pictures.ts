import { sql } from "drizzle-orm";
import type { Transaction } from "../database/client.ts";
import { AppError, unavailable } from "../errors.ts";
import type { Session } from "../http/guards.ts";
import type { Log } from "../log.ts";
import { destroy } from "../storage/references.ts";
import type { ObjectStorage } from "../storage/storage.ts";
import type { AccountQueue } from "../sync/account-queue.ts";
import type { Applied, Outcome } from "../sync/apply-changes.ts";
import type { Change } from "../sync/change.ts";
import type { Counter } from "../sync/counter.ts";
import type { Content, Entity, Registry } from "../sync/entity.ts";
import { bringLater } from "../sync/fuller.ts";
import { whateverIsThere, writeChanges } from "../sync/write.ts";
import { adoptPicture, type KeptPicture, keepPicture, SweptAway } from "./keeping.ts";
import type { PictureLinks } from "./picture-links.ts";
import { askForThumbnails } from "./previews/thumbnails-job.ts";
import { Slots } from "./slots.ts";
import type { SpooledPicture } from "./spool.ts";
import { attachPicture, type StoredPicture } from "./stored-pictures.ts";

/** What is said of a photo together with its bytes, or before them. */
export interface PhotoSaid {
  readonly id: string;
  readonly content: Content;
}

/** What the answer to an upload says. */
export interface Uploaded {
  readonly id: string;
  readonly url: string;
  readonly thumbnailUrl: string;
  readonly serverVersion: number;
  readonly syncTimestamp: string;
}

export interface PicturesParts {
  readonly accounts: AccountQueue;
  readonly registry: Registry;
  readonly storage: ObjectStorage;
  readonly links: PictureLinks;
  readonly log: Log;
}

/** Pictures that are brought into the storage at once, of those that were received: each takes up to 20 MB of memory. */
const storedAtOnce = 4;

/**
 * Something of the photo's that is written in the same transaction.
 * @param isThere whether the photo was there already
 * @returns whether it shows differently now
 */
export type Alongside = (tx: Transaction, isThere: boolean) => Promise<boolean>;

/**
 * What comes with a picture is no edit: it makes a photo, and of one that is there only the links grow. So an upload can
 * be sent again at any time, and neither comes into conflict with anybody's edit nor settles a conflict.
 */
function toChange({ id, content }: PhotoSaid): Change {
  const lastModified = new Date().toISOString();
  return {
    kind: "photos",
    id,
    content,
    deleted: false,
    encrypted: false,
    base: whateverIsThere,
    localVersion: null,
    lastModified,
    reading: "ifNew",
    strict: false,
  };
}

/** What is kept with the bytes of a photo that was there already, to be shown where that says nothing. */
export function saidBeside({ content }: PhotoSaid): Content {
  const { location, caption, exifData } = content;
  return { location, caption, exifData };
}

function refused({ stored }: Outcome): AppError {
  return new AppError(
    "CONFLICT",
    stored?.encrypted
      ? "This photo is end-to-end encrypted; its picture cannot be stored in clear"
      : "This photo was deleted",
  );
}

/** Whether a device that says this knows the photo as it stands. */
function knows({ linkKeys = {} }: Entity, { change, stored }: Outcome): boolean {
  return Object.entries(stored?.content ?? {}).every(
    ([key, value]) => linkKeys[key] || Bun.deepEquals(change.content?.[key] ?? null, value ?? null),
  );
}

async function readVersion(tx: Transaction, { userId }: Session, photoId: string): Promise<number> {
  const [row] = await tx.execute<{ version: number }>(sql`
    SELECT server_version AS version FROM photos WHERE user_id = ${userId} AND id = ${photoId}`);
  return row?.version ?? 0;
}

/** Brings pictures and photos together: bytes first, then the row in the account's write path, then the answer. */
export class Pictures {
  readonly #storing = new Slots(storedAtOnce);

  constructor(private readonly parts: PicturesParts) {}

  /**
   * Stores a picture and shows it at its photo, which is made when it is not there.
   * @param along what else happens in the same transaction
   * @throws 409 when the photo has another picture, or was deleted; nothing is kept then
   */
  async add(
    session: Session,
    said: PhotoSaid,
    picture: SpooledPicture,
    along?: (tx: Transaction) => Promise<void>,
  ): Promise<Uploaded> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#storing.run(1, true, () => this.#store(session, said, picture, along));
      } catch (error) {
        if (!(error instanceof SweptAway) || attempt === 3) throw error;
      }
    }
  }

  async #store(
    session: Session,
    said: PhotoSaid,
    picture: SpooledPicture,
    along?: (tx: Transaction) => Promise<void>,
  ): Promise<Uploaded> {
    const { accounts, storage } = this.parts;
    const kept = await keepPicture({ db: accounts.db, storage }, session.userId, picture);
    try {
      return await this.#show(session, said, kept, along);
    } catch (error) {
      if (kept.facts === null) throw error;
      await this.#letGo(kept);
      // What was there already may be swept away just now, and be stored again: the bytes still lie in the spool then.
      throw error instanceof SweptAway ? unavailable(error.message) : error;
    }
  }

  async #show(
    session: Session,
    said: PhotoSaid,
    kept: KeptPicture,
    along?: (tx: Transaction) => Promise<void>,
  ): Promise<Uploaded> {
    let standing: StoredPicture = kept;
    const serverVersion = await this.write(session, said, async (tx, isThere) => {
      await along?.(tx);
      standing = await adoptPicture(tx, session.userId, kept);
      if (kept.facts !== null) await askForThumbnails(tx, session.userId, standing.key);
      const beside = isThere ? saidBeside(said) : null;
      const attached = await attachPicture(tx, session.userId, said.id, standing.sha256, beside);
      if (attached === "other") throw new AppError("CONFLICT", "This photo has another picture already");
      return attached === "new" || kept.replaces !== null;
    });
    if (standing.key !== kept.key) await this.#letGo(kept);
    return this.answer(said.id, standing, serverVersion);
  }

  /**
   * Writes what is said of a photo, and something along with it.
   * @returns the version that the device may take for what it knows
   * @throws 409 when the photo was deleted, or is an envelope
   */
  async write(session: Session, said: PhotoSaid, along: Alongside): Promise<number> {
    const { accounts, registry } = this.parts;
    const change = toChange(said);
    let version = 0;
    const together = async (tx: Transaction, { outcomes }: Applied, counter: Counter) => {
      const outcome = outcomes[0] as Outcome;
      if (!outcome.decision.accepted) throw refused(outcome);
      const isThere = outcome.stored !== null;
      const shows = await along(tx, isThere);
      if (shows && isThere) await bringLater(tx, registry, session.userId, counter, [change]);
      // A device that does not know what others edited must not take the number for having seen it.
      version = this.#mayBuildOn(outcome, session)
        ? await readVersion(tx, session, said.id)
        : Math.max(0, (outcome.stored?.version ?? 1) - 1);
    };
    await writeChanges(accounts, registry, session, [change], together);
    return version;
  }

  /** The answer that tells a device where its picture is now. */
  answer(id: string, picture: StoredPicture, serverVersion: number): Uploaded {
    const { links } = this.parts;
    const linked = { ...picture, name: id };
    return {
      id,
      url: links.original(linked),
      thumbnailUrl: links.thumbnail(linked, 512),
      serverVersion,
      syncTimestamp: new Date().toISOString(),
    };
  }

  #mayBuildOn(outcome: Outcome, { deviceId }: Session): boolean {
    const photo = this.parts.registry.find(({ kind }) => kind === "photos") as Entity;
    return !outcome.stored || outcome.stored.deviceId === deviceId || knows(photo, outcome);
  }

  /** Bytes that nothing came to refer to go at once; the sweeper takes what cannot be deleted now. */
  async #letGo({ key }: KeptPicture): Promise<void> {
    const { accounts, storage, log } = this.parts;
    try {
      await destroy(accounts.db, storage, key);
    } catch (error) {
      log.warn({ err: error }, "a picture that nothing refers to waits for the sweeper");
    }
  }
}

import { sql } from "drizzle-orm";
import type { Database, Transaction } from "../database/client.ts";
import { notFound } from "../errors.ts";
import { Garbage } from "../garbage.ts";
import type { MediaType } from "../images/media-type.ts";
import type { Content, Registry } from "../sync/entity.ts";
import { locationPages } from "./location-pages.ts";
import { type Page, readPages } from "./pages.ts";
import { photoPath } from "./photo-path.ts";
import { entityJson } from "./row-json.ts";
import { type Dataset, entityOf, type Selection, sourcesOf } from "./sources.ts";

/** Whose journal it is, as of the moment at which it was read. */
export interface ExportedAccount {
  readonly email: string;
  readonly displayName: string;
  readonly createdAt: string;
  readonly avatarKey: string | null;
  /** The newest version that was given out. */
  readonly syncVersion: number;
  /** ISO 8601, UTC, milliseconds. */
  readonly exportedAt: string;
}

export interface SnapshotOptions extends Selection {
  /** Whether pictures come along, so that photos say where. */
  readonly includePhotos: boolean;
}

/** The bytes behind a photo. */
export interface Picture {
  readonly photoId: string;
  /** Where they lie in the archive. */
  readonly path: string;
  /** Where they lie in the storage. */
  readonly key: string;
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  readonly mediaType: MediaType;
}

type PhotoFile = Content & Omit<Picture, "photoId" | "path">;
type PhotoRow = Content & { id: string; timestamp: string; file: PhotoFile | null };

const decoder = new TextDecoder();
const parse = <T = Content>({ text }: Page) => JSON.parse(`[${decoder.decode(text)}]`) as T[];

async function readAccount(tx: Transaction, userId: string): Promise<ExportedAccount> {
  const [row] = await tx.execute<ExportedAccount & Record<string, unknown>>(sql`
    SELECT u.email, u.display_name AS "displayName", to_json(u.created_at AT TIME ZONE 'UTC') #>> '{}' || 'Z' AS "createdAt",
      u.avatar_key AS "avatarKey", v.version AS "syncVersion",
      to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "exportedAt"
    FROM users u JOIN sync_versions v ON v.user_id = u.id WHERE u.id = ${userId}`);
  if (!row) throw notFound("Account");
  return row;
}

/** An account's rows, all as of one moment. */
export class Snapshot {
  /** Rows of each dataset that was read to its end. */
  readonly counts = new Map<Dataset, number>();
  readonly #garbage = new Garbage();

  private constructor(
    private readonly tx: Transaction,
    private readonly registry: Registry,
    readonly account: ExportedAccount,
    readonly options: SnapshotOptions,
  ) {}

  /**
   * Reads as long as some work needs it. What the server may write meanwhile is not seen.
   * @throws 404 when the account is gone
   */
  static async read<T>(
    { db, registry }: { db: Database; registry: Registry },
    options: SnapshotOptions,
    work: (snapshot: Snapshot) => Promise<T>,
  ): Promise<T> {
    return db.transaction(
      async (tx) => {
        // Whoever takes the rows may be slow, and dates are to be written in one way.
        await tx.execute(sql`SELECT set_config('statement_timeout', '0', true),
          set_config('idle_in_transaction_session_timeout', '0', true), set_config('DateStyle', 'ISO, YMD', true)`);
        return work(new Snapshot(tx, registry, await readAccount(tx, options.userId), options));
      },
      { accessMode: "read only", isolationLevel: "repeatable read" },
    );
  }

  /** A dataset's rows as JSON text, in order. */
  async *pages(dataset: Dataset): AsyncGenerator<Page> {
    let rows = 0;
    for await (const page of this.#read(dataset)) {
      rows += page.count;
      yield dataset === "photos" ? this.#withPaths(page) : page;
    }
    this.counts.set(dataset, rows);
  }

  /** The same, as objects. */
  async *records(dataset: Dataset): AsyncGenerator<Content> {
    for await (const page of this.pages(dataset)) {
      // An object takes many times the room of its text, and is done with at once.
      this.#garbage.note(32 * page.text.byteLength);
      yield* parse(page);
    }
  }

  /** The pictures of all photos, by the time of these. */
  async *pictures(): AsyncGenerator<Picture> {
    for await (const page of this.#read("photos")) {
      for (const { id, timestamp, file } of parse<PhotoRow>(page)) {
        if (!file) continue;
        const { key, sha256, size, mediaType } = file;
        yield { photoId: id, path: photoPath(id, timestamp, mediaType), key, sha256, size, mediaType };
      }
    }
  }

  async *#read(dataset: Dataset): AsyncGenerator<Page> {
    const { userId, range } = this.options;
    if (dataset === "locations")
      yield* locationPages(this.tx, userId, range, entityJson(entityOf(this.registry, dataset)));
    else
      for (const source of sourcesOf(this.registry, this.options, dataset)) yield* readPages(this.tx, source);
  }

  /** Photos with the paths of their pictures instead of what these are called in the storage. */
  #withPaths(page: Page): Page {
    const photos = parse<PhotoRow>(page).map(({ file, ...photo }) => {
      if (!file) return JSON.stringify({ ...photo, file });
      const { key: _key, ...told } = file;
      const path = photoPath(photo.id, photo.timestamp, file.mediaType);
      return JSON.stringify({ ...photo, file: { path: this.options.includePhotos ? path : null, ...told } });
    });
    return { text: Buffer.from(photos.join(",\n")), count: page.count };
  }
}

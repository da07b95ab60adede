import type { Database } from "../database/client.ts";
import { AppError, notFound, unauthorized } from "../errors.ts";
import { uuid } from "../http/text-schema.ts";
import { enqueue } from "../jobs/queue.ts";
import type { SignedUrls } from "../storage/signed-urls.ts";
import { estimateSeconds } from "./estimate.ts";
import { exportJob } from "./export-job.ts";
import {
  countUnfinished,
  type ExportRequest,
  type ExportStatus,
  findExport,
  findRepeated,
  holdAccount,
  insertExport,
} from "./export-rows.ts";

/** Exports that an account may wait for at once; they are made one after the other. */
const mostUnfinished = 3;

/** What a request is answered. */
export interface Requested {
  readonly exportId: string;
  readonly status: ExportStatus;
  /** ISO 8601, UTC; a guess. */
  readonly estimatedCompletionTime: string;
}

/** How it stands with an export. */
export interface ExportProgressReport {
  readonly exportId: string;
  readonly status: ExportStatus;
  /** Where its file is got until it expires; null before and after. */
  readonly downloadUrl: string | null;
  readonly expiresAt: string | null;
  /** Bytes. */
  readonly fileSize: number | null;
  /** Of the file, in hexadecimal. */
  readonly sha256: string | null;
}

export interface ExportsParts {
  readonly db: Database;
  readonly signedUrls: SignedUrls;
}

const tooMany = () =>
  new AppError(
    "RATE_LIMIT_EXCEEDED",
    `${mostUnfinished} exports are under way already; wait for one of them`,
    {
      headers: { "Retry-After": "60" },
    },
  );

/** Exports as their account asks for them. They are made by jobs. */
export class Exports {
  constructor(private readonly parts: ExportsParts) {}

  /**
   * Asks for an export. The same again within a minute is the same export.
   * @throws 429 when too many are under way
   */
  async request(userId: string, request: ExportRequest): Promise<Requested> {
    return this.parts.db.transaction(async (tx) => {
      if (!(await holdAccount(tx, userId))) throw unauthorized("This account is gone");
      const unfinished = await countUnfinished(tx, userId);
      const repeated = await findRepeated(tx, userId, request);
      if (!repeated && unfinished >= mostUnfinished) throw tooMany();
      const exportId = repeated?.id ?? crypto.randomUUID();
      if (!repeated) {
        await insertExport(tx, userId, exportId, request);
        const payload = { userId, exportId };
        await enqueue(tx, {
          kind: exportJob,
          payload,
          key: exportId,
          lane: `export ${userId}`,
          ownerId: userId,
        });
      }
      const ahead = Math.max(0, repeated ? unfinished - 1 : unfinished);
      const seconds = await estimateSeconds(tx, userId, { includePhotos: request.includePhotos, ahead });
      return {
        exportId,
        status: repeated?.status ?? "PENDING",
        estimatedCompletionTime: new Date(Date.now() + seconds * 1000).toISOString(),
      };
    });
  }

  /** @throws 404 for what is not the account's */
  async status(userId: string, exportId: string): Promise<ExportProgressReport> {
    const id = uuid.safeParse(exportId).data;
    const row = id === undefined ? null : await findExport(this.parts.db, userId, id);
    if (!row) throw notFound("Export");
    const { status, key, size: fileSize, sha256, completedAt, expiresAt, secondsLeft } = row;
    const isThere = key !== null && secondsLeft !== null && secondsLeft >= 1;
    const downloadUrl = isThere ? this.#link(key, completedAt ?? "", Math.floor(secondsLeft)) : null;
    return { exportId: row.id, status, downloadUrl, expiresAt, fileSize, sha256 };
  }

  /** Always to this server, also where bytes lie in S3: what it signed can be revoked. */
  #link(key: string, completedAt: string, seconds: number): string {
    const fileName = `trailglass-${completedAt.slice(0, 10)}.zip`;
    return this.parts.signedUrls.get(key, { mediaType: "application/zip", fileName, seconds });
  }
}

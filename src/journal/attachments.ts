import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { invalid } from "../errors.ts";
import type { Session } from "../http/guards.ts";
import type { AccountQueue } from "../sync/account-queue.ts";
import { type Change, isInvalid, readChange } from "../sync/change.ts";
import type { Content, Registry } from "../sync/entity.ts";
import { writeChanges } from "../sync/write.ts";
import { photoAttachment } from "./photo-attachment.ts";
import { Resource } from "./resource.ts";

/** Body of `POST /photos/attachments`. */
export const attachmentsBody = z.object({
  attachments: z.array(z.unknown(), "must be a list").max(1000, "has more than 1,000 entries"),
});

/** Attachments as REST has them: written in lists, read by one of their ends. */
export class Attachments {
  readonly #resource: Resource;

  constructor(
    private readonly accounts: AccountQueue,
    private readonly registry: Registry,
  ) {
    this.#resource = new Resource(accounts, registry, photoAttachment, "Attachment");
  }

  /** The attachments at one end, oldest first. */
  async of(userId: string, where: SQL): Promise<Content[]> {
    const query = { where: [where], orderBy: sql`t.attached_at, t.id`, limit: 10_000, offset: 0 };
    return (await this.#resource.list(userId, query)).items;
  }

  /**
   * Writes attachments; the last writer wins.
   * @returns each as it stands now: the winner where a later one stood already, and of a deleted one what it linked
   * @throws 400 naming every entry that is wrong; nothing is written then.
   */
  async write(session: Session, { attachments }: z.infer<typeof attachmentsBody>): Promise<Content[]> {
    const items = attachments.map((raw) => readChange(photoAttachment, raw, { encrypted: false }));
    const problems = items.flatMap((item, index) =>
      isInvalid(item) ? [[`attachments.${index}`, item.message]] : [],
    );
    if (problems.length > 0) throw invalid(Object.fromEntries(problems));
    const changes = items.filter((item): item is Change => !isInvalid(item));
    const { outcomes } = await writeChanges(this.accounts, this.registry, session, changes);
    const timestamp = new Date().toISOString();
    return outcomes.map(({ change, decision, stored, version }) => {
      const stands = decision.accepted ? (change.content ?? stored?.content) : stored?.content;
      const { photoId = "", placeVisitId = "", attachedAt = timestamp, caption = null } = stands ?? {};
      return {
        id: change.id,
        photoId,
        placeVisitId,
        attachedAt: attachedAt ?? timestamp,
        caption,
        deleted: decision.accepted ? change.deleted : (stored?.deleted ?? false),
        serverVersion: version ?? stored?.serverVersion ?? 0,
        syncTimestamp: timestamp,
      };
    });
  }
}

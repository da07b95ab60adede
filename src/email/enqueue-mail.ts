import type { Queryable } from "../database/client.ts";
import { enqueue } from "../jobs/queue.ts";
import type { Mail } from "./mails.ts";

/** The kind of job that sends mails. */
export const mailKind = "mail";

/** An account that is erased takes its mails along. */
const ownerOf = ({ to }: Mail) => (typeof to === "object" && "ownerId" in to ? { ownerId: to.ownerId } : {});

/**
 * Asks for a mail. In a transaction it is sent if that commits: soon, or when the mail server is back. Without a mail
 * server it goes to the log.
 * @returns the id of its job
 */
export async function enqueueMail(db: Queryable, mail: Mail): Promise<string> {
  const id = await enqueue(db, { kind: mailKind, payload: mail, ...ownerOf(mail) });
  if (id === null) throw new Error("a job without a key cannot be there already");
  return id;
}

/** The same, unless one was asked for by the same key within so many seconds. */
export async function enqueueMailAtMostEvery(
  db: Queryable,
  seconds: number,
  key: string,
  mail: Mail,
): Promise<void> {
  await enqueue(db, { kind: mailKind, payload: mail, key, keyFor: seconds, ...ownerOf(mail) });
}

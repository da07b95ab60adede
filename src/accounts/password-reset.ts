import type { Database } from "../database/client.ts";
import { enqueueMail } from "../email/enqueue-mail.ts";
import { invalid, unavailable } from "../errors.ts";
import type { Log } from "../log.ts";
import { setPassword } from "./accounts.ts";
import { requireUnlikeEmail } from "./password-rules.ts";
import type { Passwords } from "./passwords.ts";
import { findResetAccount, hasEnoughTokens, insertResetToken } from "./reset-tokens.ts";
import { findUserByEmail, lockUser } from "./users.ts";

export interface PasswordResetParts {
  readonly db: Database;
  readonly log: Log;
  readonly passwords: Passwords;
}

/** Requests that may be under way at once; more are turned away, known addresses and unknown ones alike. */
const mostUnderWay = 50;
/** Milliseconds for which the end of the server waits for those that are. */
const longestSettling = 5_000;

const badToken = () => invalid({ token: "is not valid, was used, or is older than 30 minutes" });

/** A new password for a person who forgot theirs. */
export class PasswordReset {
  readonly #underWay = new Set<Promise<void>>();

  constructor(readonly parts: PasswordResetParts) {}

  /**
   * Has a reset token sent to an address, if it has an account. What is written down for that is not waited for, so that
   * the answer takes the same time whether there is an account or not: a server that is killed in those milliseconds
   * forgets the request. Nothing is sent to an account whose mailbox has enough of them already.
   * @throws 503 when too much is under way.
   */
  request(email: string): void {
    if (this.#underWay.size >= mostUnderWay) throw unavailable("Too many people ask for this; try again");
    const work = this.#ask(email)
      .catch((error) => this.parts.log.error({ err: error }, "a password reset could not be asked for"))
      .finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  /**
   * Waits for what is under way.
   * @param longest milliseconds to wait for a database that does not answer
   */
  async settle(longest = longestSettling): Promise<void> {
    await Promise.race([Promise.all(this.#underWay), Bun.sleep(longest)]);
  }

  async #ask(email: string): Promise<void> {
    const user = await findUserByEmail(this.parts.db, email);
    if (!user || user.disabledAt !== null) return;
    await this.parts.db.transaction(async (tx) => {
      await lockUser(tx, user.id);
      if (await hasEnoughTokens(tx, user.id)) return;
      const mail = { template: "password-reset", to: { ownerId: user.id } } as const;
      await insertResetToken(tx, user.id, await enqueueMail(tx, mail));
    });
  }

  /** Whether a token is good. It stays so: whoever merely follows a link, as scanners of mails do, uses nothing up. */
  async isGood(token: string): Promise<boolean> {
    return (await findResetAccount(this.parts.db, token)) !== undefined;
  }

  /**
   * Sets a new password and ends every session.
   * @returns whose account it is
   * @throws 400 when the token is no good, or the password is like the email.
   */
  async reset(token: string, password: string): Promise<string> {
    const { db, passwords } = this.parts;
    const account = await findResetAccount(db, token);
    if (!account) throw badToken();
    requireUnlikeEmail(password, account.email, "newPassword");
    const passwordHash = await passwords.hash(password);
    await db.transaction(async (tx) => {
      await lockUser(tx, account.userId);
      // Looked up again under the lock: of two requests with one token, the second finds it used.
      if (!(await findResetAccount(tx, token))) throw badToken();
      await setPassword(tx, account.userId, passwordHash);
    });
    return account.userId;
  }
}

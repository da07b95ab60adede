import { sql } from "drizzle-orm";
import type { Config } from "../config/config.ts";
import type { Database, Queryable, Transaction } from "../database/client.ts";
import { AppError } from "../errors.ts";
import type { DeviceInfo } from "./devices.ts";
import { findInvite, inviteIsGood, useInvite } from "./invites.ts";
import { requireUnlikeEmail } from "./password-rules.ts";
import type { Passwords } from "./passwords.ts";
import type { Sessions, StartedSession } from "./sessions.ts";
import { anyUserExists, insertUser, type User } from "./users.ts";

export interface NewAccount {
  readonly email: string;
  readonly displayName: string;
  readonly password: string;
}

export interface RegistrationParts {
  readonly db: Database;
  readonly passwords: Passwords;
  readonly sessions: Sessions;
  readonly policy: Config["registration"];
}

/** Any number will do, as long as every version of the program uses the same: the letters "users". */
const lockKey = 0x7573657273;

const taken = () => new AppError("CONFLICT", "This email address is registered already");
const closed = () =>
  new AppError("FORBIDDEN", "Registration is closed; ask the person who runs this server for an account");
const uninvited = () =>
  new AppError("FORBIDDEN", "Registration needs an invite that is valid, unused and meant for this address");

/** Makes accounts. */
export class Registration {
  constructor(readonly parts: RegistrationParts) {}

  /**
   * Registers from a phone, and signs it in.
   * @throws 403 when the server's policy does not let it in, 409 when the email is taken, 400 for the password.
   */
  async register(
    account: NewAccount,
    device: DeviceInfo,
    inviteToken: string | null,
  ): Promise<{ user: User; session: StartedSession }> {
    const { db, sessions } = this.parts;
    // Asked before the costly hash, so that strangers cannot keep a closed server busy; again below, for good.
    await this.#requireAllowed(db, account.email, inviteToken);
    const passwordHash = await this.#hash(account);
    return this.#oneAtATime(async (tx) => {
      const invited = await this.#requireAllowed(tx, account.email, inviteToken);
      const user = await this.#insert(tx, account, passwordHash);
      if (invited !== null && !(await useInvite(tx, invited, user))) throw uninvited();
      return { user, session: await sessions.start(tx, user.id, device) };
    });
  }

  /** What an invite says: the only address that may use it, or null. Undefined when it is no good. */
  findInvite(token: string): Promise<{ email: string | null } | undefined> {
    return findInvite(this.parts.db, token);
  }

  /**
   * Makes an account for somebody with an invite, whatever the policy: an administrator has asked them in.
   * @throws 403 when the invite is no good for them, 409 when the email is taken, 400 for the password.
   */
  async accept(account: NewAccount, inviteToken: string): Promise<User> {
    if (!(await inviteIsGood(this.parts.db, inviteToken, account.email))) throw uninvited();
    const passwordHash = await this.#hash(account);
    return this.#oneAtATime(async (tx) => {
      const user = await this.#insert(tx, account, passwordHash);
      if (!(await useInvite(tx, inviteToken, user))) throw uninvited();
      return user;
    });
  }

  /**
   * Makes an account for an administrator, whatever the policy.
   * @throws 409 when the email is taken, 400 for the password.
   */
  async create(account: NewAccount): Promise<User> {
    const passwordHash = await this.#hash(account);
    return this.#oneAtATime((tx) => this.#insert(tx, account, passwordHash));
  }

  /** Of two people who register first, exactly one is the first. */
  #oneAtATime<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.parts.db.transaction(async (tx) => {
      await tx.execute(sql`SELECT pg_advisory_xact_lock(${lockKey})`);
      return work(tx);
    });
  }

  /** Returns the invite that has to be used up, or null where none is needed. The first account needs none. */
  async #requireAllowed(db: Queryable, email: string, inviteToken: string | null): Promise<string | null> {
    const { policy } = this.parts;
    if (policy === "open" || !(await anyUserExists(db))) return null;
    if (policy === "closed") throw closed();
    if (inviteToken === null || !(await inviteIsGood(db, inviteToken, email))) throw uninvited();
    return inviteToken;
  }

  async #hash({ email, password }: NewAccount): Promise<string> {
    requireUnlikeEmail(password, email, "password");
    return this.parts.passwords.hash(password);
  }

  async #insert(tx: Transaction, account: NewAccount, passwordHash: string): Promise<User> {
    const user = await insertUser(tx, { ...account, passwordHash });
    if (!user) throw taken();
    return user;
  }
}

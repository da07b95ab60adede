import type { Database, Transaction } from "../database/client.ts";
import { AppError, unauthorized } from "../errors.ts";
import type { Session } from "../http/guards.ts";
import { type DeviceInfo, endSessions } from "./devices.ts";
import { requireUnlikeEmail } from "./password-rules.ts";
import type { Passwords } from "./passwords.ts";
import { voidResetTokens } from "./reset-tokens.ts";
import type { Sessions, StartedSession } from "./sessions.ts";
import {
  type Credential,
  deleteUser,
  findCredential,
  holdCredential,
  lockUser,
  replaceHash,
  setDisabled,
  type User,
  updatePassword,
} from "./users.ts";

export interface AccountsParts {
  readonly db: Database;
  readonly passwords: Passwords;
  readonly sessions: Sessions;
  /** Deletes what an account that is gone had stored, or leaves that for later. Never throws. */
  readonly erased: () => Promise<unknown>;
}

/** One answer for a wrong password, an unknown email and a disabled account: none of them is anyone's business. */
const refused = () => unauthorized("The email or the password is wrong");

/** What happens to an account between its registration and its end. */
export class Accounts {
  constructor(readonly parts: AccountsParts) {}

  /** Signs a device in. @throws 401 */
  async login(
    email: string,
    password: string,
    device: DeviceInfo,
  ): Promise<{ user: User; session: StartedSession }> {
    const { db, passwords, sessions } = this.parts;
    const credential = await findCredential(db, { email });
    const fits = await passwords.verify(password, credential?.passwordHash);
    if (!fits || !credential) throw refused();
    await this.#strengthen(credential, password);
    const session = await db.transaction(async (tx) => {
      // The account may be shut, or its password may have been changed while the hash was being computed.
      if (!(await holdCredential(tx, credential))) throw refused();
      return sessions.start(tx, credential.id, device);
    });
    return { user: credential, session };
  }

  /** Hashes the password anew when today's parameters are stronger than those of the stored hash. */
  async #strengthen({ id, passwordHash }: Credential, password: string): Promise<void> {
    const { db, passwords } = this.parts;
    if (passwords.isOutdated(passwordHash)) {
      await replaceHash(db, id, passwordHash, await passwords.hash(password));
    }
  }

  /**
   * Changes the password of a person who knows the present one; other devices are signed out.
   * @throws 403 when the present one is wrong (a phone would take 401 for an expired token, and refresh for ever)
   */
  async changePassword(session: Session, current: string, next: string): Promise<void> {
    const credential = await this.#requirePassword(session.userId, current, "currentPassword");
    requireUnlikeEmail(next, credential.email, "newPassword");
    const passwordHash = await this.parts.passwords.hash(next);
    await this.parts.db.transaction(async (tx) => {
      await lockUser(tx, session.userId);
      if (!(await holdCredential(tx, credential))) throw wrongPassword("currentPassword");
      await setPassword(tx, session.userId, passwordHash, session.sessionId);
    });
  }

  /** Sets a password without knowing the present one: for an administrator. Ends every session. @throws 400 */
  async overridePassword({ id, email }: User, password: string): Promise<void> {
    requireUnlikeEmail(password, email, "password");
    const passwordHash = await this.parts.passwords.hash(password);
    await this.parts.db.transaction(async (tx) => {
      await lockUser(tx, id);
      await setPassword(tx, id, passwordHash);
    });
  }

  /** Erases an account and everything it owns. @throws 403 when the password is wrong. */
  async erase(userId: string, password: string): Promise<void> {
    await this.#requirePassword(userId, password, "password");
    await this.delete(userId);
  }

  /** The same for an administrator. */
  async delete(userId: string): Promise<void> {
    await this.parts.db.transaction((tx) => deleteUser(tx, userId));
    await this.parts.erased();
  }

  /** Shuts an account and ends its sessions, or opens it again. */
  async setDisabled(userId: string, disabled: boolean): Promise<void> {
    await this.parts.db.transaction(async (tx) => {
      await setDisabled(tx, userId, disabled);
      if (!disabled) return;
      await endSessions(tx, userId);
      await voidResetTokens(tx, userId);
    });
  }

  async #requirePassword(userId: string, password: string, field: string): Promise<Credential> {
    const credential = await findCredential(this.parts.db, { userId });
    if (!(await this.parts.passwords.verify(password, credential?.passwordHash)) || !credential) {
      throw wrongPassword(field);
    }
    return credential;
  }
}

function wrongPassword(field: string): AppError {
  return new AppError("FORBIDDEN", "The password is wrong", { details: { [field]: "is wrong" } });
}

/** Stores a password and ends what rested on the one before: sessions and reset tokens. The caller holds the account's lock. */
export async function setPassword(
  tx: Transaction,
  userId: string,
  passwordHash: string,
  exceptSession?: string,
): Promise<void> {
  await updatePassword(tx, userId, passwordHash);
  await voidResetTokens(tx, userId);
  await endSessions(tx, userId, exceptSession === undefined ? {} : { exceptSession });
}

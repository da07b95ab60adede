import { eq, isNull, type SQL, sql } from "drizzle-orm";
import type { Queryable, Transaction } from "../database/client.ts";
import { isoInstant } from "../database/instants.ts";
import { releaseAccount } from "../storage/references.ts";
import { syncVersions, userCredentials, users } from "./tables.ts";

export interface User {
  readonly id: string;
  readonly email: string;
  readonly displayName: string;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly disabledAt: string | null;
}

/** A user with what proves that it is them. */
export interface Credential extends User {
  readonly passwordHash: string;
  /** Tells one password from the next: the text of when it was set, to the microsecond. */
  readonly passwordSetAt: string;
}

const userColumns = {
  id: users.id,
  email: users.email,
  displayName: users.displayName,
  createdAt: isoInstant(users.createdAt),
  updatedAt: isoInstant(users.updatedAt),
  disabledAt: isoInstant(users.disabledAt) as SQL<string | null>,
};

const hasEmail = (email: string) => sql`lower(${users.email}) = lower(${email})`;

/** Makes an account, with its credential and its counter of versions. Null when the email is taken. */
export async function insertUser(
  tx: Transaction,
  user: { email: string; displayName: string; passwordHash: string },
): Promise<User | null> {
  const { email, displayName, passwordHash } = user;
  const id = crypto.randomUUID();
  const [made] = await tx
    .insert(users)
    .values({ id, email, displayName })
    .onConflictDoNothing()
    .returning(userColumns);
  if (!made) return null;
  await tx.insert(userCredentials).values({ userId: id, passwordHash });
  await tx.insert(syncVersions).values({ userId: id });
  return made;
}

export async function anyUserExists(db: Queryable): Promise<boolean> {
  const found = await db.select({ id: users.id }).from(users).limit(1);
  return found.length > 0;
}

export async function findUser(db: Queryable, userId: string): Promise<User | undefined> {
  const [user] = await db.select(userColumns).from(users).where(eq(users.id, userId));
  return user;
}

export async function findUserByEmail(db: Queryable, email: string): Promise<User | undefined> {
  const [user] = await db.select(userColumns).from(users).where(hasEmail(email));
  return user;
}

/** The account that was made first, of those that are not shut: whoever set the server up. */
export async function findOldestUser(db: Queryable): Promise<User | undefined> {
  const [user] = await db
    .select(userColumns)
    .from(users)
    .where(isNull(users.disabledAt))
    .orderBy(users.createdAt, users.id)
    .limit(1);
  return user;
}

/** Every account, the oldest first. */
export async function listUsers(db: Queryable): Promise<User[]> {
  return db.select(userColumns).from(users).orderBy(users.createdAt, users.id);
}

/** The credential of the account with an email, or with an id. */
export async function findCredential(
  db: Queryable,
  by: { email: string } | { userId: string },
): Promise<Credential | undefined> {
  const [found] = await db
    .select({
      ...userColumns,
      passwordHash: userCredentials.passwordHash,
      passwordSetAt: sql<string>`${userCredentials.updatedAt}::text`,
    })
    .from(users)
    .innerJoin(userCredentials, eq(userCredentials.userId, users.id))
    .where("email" in by ? hasEmail(by.email) : eq(users.id, by.userId));
  return found;
}

/**
 * Holds an account as it was when its password was checked, until the transaction ends.
 * @returns false when it was disabled, erased or given another password since.
 */
export async function holdCredential(tx: Transaction, checked: Credential): Promise<boolean> {
  const held = await tx.execute(sql`
    SELECT 1 FROM users u JOIN user_credentials c ON c.user_id = u.id
    WHERE u.id = ${checked.id} AND u.disabled_at IS NULL AND c.updated_at = ${checked.passwordSetAt}::timestamptz
    FOR SHARE`);
  return held.length > 0;
}

/** Waits for, and then keeps off, every other change of the account itself. False when there is no such account. */
export async function lockUser(tx: Transaction, userId: string): Promise<boolean> {
  const locked = await tx
    .select({ id: users.id })
    .from(users)
    .where(eq(users.id, userId))
    .for("no key update");
  return locked.length > 0;
}

/** Sets another password. */
export async function updatePassword(tx: Transaction, userId: string, passwordHash: string): Promise<void> {
  await tx
    .insert(userCredentials)
    .values({ userId, passwordHash })
    .onConflictDoUpdate({
      target: userCredentials.userId,
      set: { passwordHash, updatedAt: sql`clock_timestamp()` },
    });
}

/** Stores the same password under stronger parameters, unless it has been changed in the meantime. */
export async function replaceHash(db: Queryable, userId: string, from: string, to: string): Promise<void> {
  await db
    .update(userCredentials)
    .set({ passwordHash: to })
    .where(sql`${userCredentials.userId} = ${userId} AND ${userCredentials.passwordHash} = ${from}`);
}

export async function updateDisplayName(
  db: Queryable,
  userId: string,
  displayName: string,
): Promise<User | undefined> {
  const [user] = await db
    .update(users)
    .set({ displayName, updatedAt: sql`now()` })
    .where(eq(users.id, userId))
    .returning(userColumns);
  return user;
}

/** Shuts an account, or opens it again. */
export async function setDisabled(db: Queryable, userId: string, disabled: boolean): Promise<void> {
  const disabledAt = disabled ? sql`coalesce(${users.disabledAt}, now())` : null;
  await db.update(users).set({ disabledAt, updatedAt: sql`now()` }).where(eq(users.id, userId));
}

/**
 * Erases an account and everything it owns. Its counter is locked first, as every writer does, so that a delta
 * under way and the erasure wait for each other instead of meeting in a deadlock.
 */
export async function deleteUser(tx: Transaction, userId: string): Promise<void> {
  await tx.select().from(syncVersions).where(eq(syncVersions.userId, userId)).for("update");
  // Whoever gives the account another picture waits at its row.
  await lockUser(tx, userId);
  await releaseAccount(tx, userId);
  await tx.delete(users).where(eq(users.id, userId));
}

import { Decrypter, Encrypter, generateIdentity, identityToRecipient } from "age-encryption";
import { type Fingerprint, fingerprintOf } from "../storage/fingerprint.ts";
import { BackupError } from "./error.ts";
import { type BackupFiles, readText, streamOf } from "./files.ts";

/*
 * Files are encrypted to the public key of the place where they lie. With a passphrase that key's other half lies there,
 * too, in `key.age`, and the passphrase opens it: so it is tried once a backup, and not once a picture. All are plain
 * files of age (https://age-encryption.org/v1), which its own tool opens.
 */

/** The private key of a place, encrypted with the passphrase. */
export const keyFile = "key.age";

/** The public key of a place: written before anything is encrypted to it. */
export const recipientFile = "recipient.txt";

/** What stands in there. */
const recipientText = ({ recipient }: Sealing): string => `${recipient}\n`;

/** scrypt with N = 2^16 takes 64 MB and, on a Pi, about a second. */
const workFactor = 16;

/** For whose eyes backups are. */
export interface SealingWish {
  readonly passphrase?: string | undefined;
  /** A public key of age. */
  readonly recipient?: string | undefined;
}

/** What files are encrypted to, and how it is known. */
export interface Sealing {
  readonly kind: "passphrase" | "recipient";
  /** A public key of age. */
  readonly recipient: string;
  /** Of `key.age`, where there is one: without it, a passphrase opens nothing. */
  readonly keyFile?: Fingerprint | undefined;
}

/** The private key that opens what is sealed. */
export type Unsealing = string;

async function openKey(files: BackupFiles, sealed: Uint8Array, passphrase: string): Promise<Unsealing> {
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase);
  try {
    return (await decrypter.decrypt(sealed, "text")).trim();
  } catch (cause) {
    const message = `The passphrase does not open the backups in ${files.place}: give the one they were made with, or set another BACKUP_DIR`;
    throw new BackupError("sealed", message, { cause });
  }
}

async function readKey(files: BackupFiles): Promise<Uint8Array | null> {
  const body = await files.read(keyFile);
  return body && new Response(body).bytes();
}

/** @returns the private key of a place, encrypted */
async function makeKey(files: BackupFiles, passphrase: string): Promise<Uint8Array> {
  const identity = await generateIdentity();
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  encrypter.setScryptWorkFactor(workFactor);
  const sealed = new Uint8Array(await encrypter.encrypt(`${identity}\n`));
  await files.write(keyFile, streamOf(sealed));
  return sealed;
}

/**
 * Prepares encryption in a place. The lock of the place is held.
 * @returns null where backups are in clear
 * @throws BackupError sealed: never is a backup made in clear instead
 */
export async function prepareSealing(files: BackupFiles, wish: SealingWish): Promise<Sealing | null> {
  const sealing = await chooseSealing(files, wish);
  if (sealing) await requireSameRecipient(files, sealing);
  return sealing;
}

/** Pictures of a backup that was cut off are used by the next one, which says of them that its own key opens them. */
async function requireSameRecipient(files: BackupFiles, sealing: Sealing): Promise<void> {
  const present = await readText(files, recipientFile);
  if (present === null) await files.write(recipientFile, streamOf(recipientText(sealing)));
  else if (present !== recipientText(sealing))
    throw new BackupError(
      "sealed",
      `The backups in ${files.place} are encrypted with another key: set the same again, or another BACKUP_DIR`,
    );
}

/** The files of a place that say how it is encrypted, and what they have to be. */
export async function keyFilesOf(sealing: Sealing | null): Promise<{ name: string; file: Fingerprint }[]> {
  if (sealing === null) return [];
  const recipient = { name: recipientFile, file: await fingerprintOf(streamOf(recipientText(sealing))) };
  return sealing.keyFile ? [recipient, { name: keyFile, file: sealing.keyFile }] : [recipient];
}

async function chooseSealing(files: BackupFiles, wish: SealingWish): Promise<Sealing | null> {
  if (wish.recipient !== undefined)
    return { kind: "recipient", recipient: await requireRecipient(wish.recipient) };
  const sealed = await readKey(files);
  if (wish.passphrase === undefined) {
    if (sealed === null) return null;
    const message = `The backups in ${files.place} are encrypted, and no passphrase is set: set BACKUP_PASSPHRASE_FILE, or another BACKUP_DIR`;
    throw new BackupError("sealed", message);
  }
  const found = sealed ?? (await makeKey(files, wish.passphrase));
  // A new one is opened, too: a key that nobody can open would make every backup worthless.
  const identity = await openKey(files, found, wish.passphrase);
  return {
    kind: "passphrase",
    recipient: await identityToRecipient(identity),
    keyFile: await fingerprintOf(streamOf(new Uint8Array(found))),
  };
}

async function requireRecipient(recipient: string): Promise<string> {
  try {
    await seal(new Uint8Array(1), recipient);
    return recipient;
  } catch (cause) {
    throw new BackupError("sealed", "BACKUP_RECIPIENT is not a public key of age", { cause });
  }
}

/**
 * The key that opens the backups of a place.
 * @param wish a passphrase, or the private key itself
 * @throws BackupError sealed
 */
export async function openPlace(
  files: BackupFiles,
  wish: { readonly passphrase?: string | undefined; readonly identity?: string | undefined },
): Promise<Unsealing> {
  if (wish.identity !== undefined) return requireIdentity(wish.identity);
  const sealed = await readKey(files);
  if (sealed === null)
    throw new BackupError(
      "sealed",
      `The backups in ${files.place} are encrypted with a public key: give its private key with --identity`,
    );
  if (wish.passphrase === undefined)
    throw new BackupError(
      "sealed",
      `The backups in ${files.place} are encrypted: give the passphrase with BACKUP_PASSPHRASE_FILE`,
    );
  return openKey(files, sealed, wish.passphrase);
}

async function requireIdentity(identity: string): Promise<Unsealing> {
  try {
    await identityToRecipient(identity);
    return identity;
  } catch (cause) {
    throw new BackupError("sealed", "This is not a private key of age (AGE-SECRET-KEY-1…)", { cause });
  }
}

/** Whether a private key opens what was encrypted to a public one. */
export const isKeyOf = async ({ recipient }: Pick<Sealing, "recipient">, key: Unsealing): Promise<boolean> =>
  (await identityToRecipient(key)) === recipient.toLowerCase();

async function seal(bytes: Uint8Array, recipient: string): Promise<Uint8Array> {
  const encrypter = new Encrypter();
  encrypter.addRecipient(recipient);
  return encrypter.encrypt(bytes);
}

/** Encrypts a stream as it passes. */
export async function sealStream(
  clear: ReadableStream<Uint8Array>,
  sealing: Sealing | null,
): Promise<ReadableStream<Uint8Array>> {
  if (sealing === null) return clear;
  const encrypter = new Encrypter();
  encrypter.addRecipient(sealing.recipient);
  return encrypter.encrypt(clear);
}

/**
 * Decrypts a stream as it passes. A file that was changed fails before its changed part comes out.
 * @throws BackupError sealed when the key is another one
 */
export async function unsealStream(
  sealed: ReadableStream<Uint8Array>,
  key: Unsealing | null,
): Promise<ReadableStream<Uint8Array>> {
  if (key === null) return sealed;
  const decrypter = new Decrypter();
  decrypter.addIdentity(key);
  try {
    return await decrypter.decrypt(sealed);
  } catch (cause) {
    throw new BackupError("sealed", "The key does not open this file, or the file is damaged", { cause });
  }
}

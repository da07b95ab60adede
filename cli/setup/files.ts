import {
  closeSync,
  existsSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { CommandError } from "../with-context.ts";
import type { ServiceAccount } from "./machine.ts";

export interface FileOptions {
  /** Permission bits. */
  readonly mode: number;
  /** Whose it will be; the one who runs setup where null. */
  readonly owner: ServiceAccount | null;
  /** Where the file goes that stood there before, if it was another; gone when not given. */
  readonly old?: string;
}

function fill(path: string, text: string, { mode, owner }: FileOptions): void {
  rmSync(path, { force: true });
  const fd = openSync(path, "wx", mode);
  try {
    fchmodSync(fd, mode);
    if (owner) fchownSync(fd, owner.uid, owner.groups[0]);
    // All of it or an error: one write alone takes what a full disk has room for.
    writeFileSync(fd, text);
    fsyncSync(fd);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}

function settleFolder(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

const reasons: Record<string, string> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk's quota is used up",
  EROFS: "that file system is read-only",
  EACCES: "that is not allowed; run this with sudo, or choose another place",
  EPERM: "that is not allowed; run this with sudo, or choose another place",
  EEXIST: "another setup seems to be under way; run this again when it has ended",
};

/**
 * Writes a file that is there whole or not at all, whenever the power fails.
 * @returns false where it stood so before
 * @throws CommandError saying why it cannot be written
 */
export function writeWhole(path: string, text: string, options: FileOptions): boolean {
  try {
    return write(path, text, options);
  } catch (error) {
    const { code = "error" } = error as { code?: string };
    throw new CommandError(`${path} cannot be written (${code}): ${reasons[code] ?? "look at that folder"}.`);
  }
}

function write(path: string, text: string, options: FileOptions): boolean {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const before = existsSync(path) ? readFileSync(path, "utf8") : undefined;
  if (before !== undefined && before !== text && options.old) keep(path, options.old, options);
  fill(`${path}.new`, text, options);
  renameSync(`${path}.new`, path);
  settleFolder(dirname(path));
  return before !== text;
}

/** A copy: the file itself stays in its place until the new one takes it. */
function keep(path: string, old: string, options: FileOptions): void {
  fill(`${old}.new`, readFileSync(path, "utf8"), options);
  renameSync(`${old}.new`, old);
}

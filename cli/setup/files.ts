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
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
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
    writeSync(fd, text);
    fsyncSync(fd);
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

/** Writes a file that is there whole or not at all, whenever the power fails. @returns false where it stood so before */
export function writeWhole(path: string, text: string, options: FileOptions): boolean {
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

import { dlopen } from "bun:ffi";

// Both calls are missing in node:fs. The packaged Postgres is linked against glibc, so glibc is there wherever it runs.
const LIBRARY = "libc.so.6";
const LOCK_EXCLUSIVE_NONBLOCKING = 2 | 4;

/** flock(2): takes the exclusive lock on an open file at once. False when somebody else holds it. */
export function tryLockExclusively(fd: number): boolean {
  const libc = dlopen(LIBRARY, { flock: { args: ["i32", "i32"], returns: "i32" } });
  try {
    return libc.symbols.flock(fd, LOCK_EXCLUSIVE_NONBLOCKING) === 0;
  } finally {
    libc.close();
  }
}

/** syncfs(2): writes everything of the file system that holds `fd` to the disk. Blocks; throws when that fails. */
export function syncFileSystemOf(fd: number): void {
  const libc = dlopen(LIBRARY, { syncfs: { args: ["i32"], returns: "i32" } });
  try {
    if (libc.symbols.syncfs(fd) !== 0)
      throw new Error("the file system could not write its data out (syncfs)");
  } finally {
    libc.close();
  }
}

import { dlopen } from "bun:ffi";

// Missing in node:fs. The packaged Postgres is linked against glibc, so glibc is there wherever it runs.
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

/** syncfs(2): writes to the disk whatever its file system still holds in memory. @throws when the disk refuses */
export function syncFileSystem(fd: number): void {
  const libc = dlopen(LIBRARY, { syncfs: { args: ["i32"], returns: "i32" } });
  try {
    if (libc.symbols.syncfs(fd) !== 0) throw new Error("the disk did not take what was written");
  } finally {
    libc.close();
  }
}

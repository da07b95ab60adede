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

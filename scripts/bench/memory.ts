import { readdirSync, readFileSync } from "node:fs";

/** Bytes in a MB as this benchmark counts them. */
export const megabyte = 1024 * 1024;

/** Proportional set size of a process in bytes: pages that it shares are divided by those who share them. */
export function pssOf(pid: number): number {
  const kilobytes = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}

/** A process and all that it started, as far as they still run. */
export function treeOf(pid: number): number[] {
  const parents = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        // The second field is a name in parentheses and may hold anything.
        const rest = readFileSync(`/proc/${name}/stat`, "utf8").split(") ").at(-1)?.split(" ");
        return [{ pid: Number(name), parent: Number(rest?.[1]) }];
      } catch {
        return [];
      }
    });
  const found = [pid];
  for (const at of found) found.push(...parents.filter(({ parent }) => parent === at).map((one) => one.pid));
  return found;
}

/** Resident memory of a process in bytes, cheap enough to be asked often; none of one that has ended. */
function residentOf(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * 4096;
  } catch {
    return 0;
  }
}

/**
 * Does something and watches how far a process' resident memory rises meanwhile over what it was before.
 * @returns bytes of growth at its highest, and that height, with what came of it
 */
export async function watchGrowth<T>(
  pid: number,
  action: () => Promise<T>,
): Promise<{ result: T; growth: number; highest: number }> {
  const before = residentOf(pid);
  let highest = before;
  const timer = setInterval(() => {
    highest = Math.max(highest, residentOf(pid));
  }, 20);
  try {
    const result = await action();
    highest = Math.max(highest, residentOf(pid));
    return { result, growth: highest - before, highest };
  } finally {
    clearInterval(timer);
  }
}

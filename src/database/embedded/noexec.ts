import { readFileSync } from "node:fs";

/** True when a folder lies on a file system that was mounted so that no program can be run from it. */
export function forbidsPrograms(folder: string): boolean {
  return mountOptions(folder).includes("noexec");
}

// The longest mount point above a folder is the one it lies on; of several at one point the last one covers the others.
function mountOptions(folder: string): string[] {
  const mounts = readMounts().filter(({ point }) =>
    `${folder}/`.startsWith(point === "/" ? "/" : `${point}/`),
  );
  const deepest = Math.max(...mounts.map(({ point }) => point.length));
  return mounts.findLast(({ point }) => point.length === deepest)?.options ?? [];
}

// A line of proc_pid_mountinfo(5): id, parent, device, root, mount point, options, …; blanks are written in octal.
function readMounts(): { point: string; options: string[] }[] {
  try {
    const lines = readFileSync("/proc/self/mountinfo", "utf8").trim().split("\n");
    return lines.map((line) => {
      const [, , , , point = "", options = ""] = line.split(" ");
      const unescaped = point.replace(/\\([0-7]{3})/g, (_, octal) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      );
      return { point: unescaped, options: options.split(",") };
    });
  } catch {
    return [];
  }
}

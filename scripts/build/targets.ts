/** A kind of machine that the program is built for. */
export interface Target {
  /** What the file in `dist` is called after, and what Bun calls it behind "bun-". */
  readonly name: "linux-x64" | "linux-x64-baseline" | "linux-arm64";
  /** As in `process.arch`, and in the names of Postgres packages. */
  readonly arch: "x64" | "arm64";
}

/** All that is released. Baseline is for processors without AVX2, from before 2013. */
export const targets: readonly Target[] = [
  { name: "linux-x64", arch: "x64" },
  { name: "linux-x64-baseline", arch: "x64" },
  { name: "linux-arm64", arch: "arm64" },
];

/** This machine's. */
export function nativeTarget(): Target {
  const found = targets.find(({ arch }) => process.platform === "linux" && arch === process.arch);
  if (found) return found;
  throw new Error(
    `Trailglass is built for Linux on x64 and arm64, not for ${process.platform}-${process.arch}.`,
  );
}

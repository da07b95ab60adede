import { program } from "../../version.ts";
import { isPartial } from "../range.ts";
import type { ExportSummary } from "../readme.ts";
import type { Picture } from "../snapshot.ts";
import { datasets } from "../sources.ts";
import { jsonFileName } from "./files.ts";
import { type ExportManifest, formatVersion } from "./manifest-schema.ts";

/** `export.json`. @param avatarName what the profile picture is called, if there is one */
export function jsonManifest(
  { account, options, counts, missing }: ExportSummary,
  pictures: readonly Picture[],
  avatarName: string,
): string {
  const { email, displayName, createdAt, avatarKey, exportedAt, syncVersion } = account;
  const hasAvatar = options.includePhotos && avatarKey !== null;
  const { start, end } = options.range;
  const lost = new Set(missing.filter(({ problem }) => problem === "missing").map(({ path }) => path));
  const manifest: ExportManifest = {
    format: "trailglass",
    formatVersion,
    program: { name: "trailglass", version: program.version },
    exportedAt,
    account: { email, displayName, createdAt, photo: hasAvatar && !lost.has(avatarName) ? avatarName : null },
    range: isPartial(options.range) ? { start, end } : null,
    photosIncluded: options.includePhotos,
    syncVersion,
    files: Object.fromEntries(
      datasets.map((dataset) => [jsonFileName(dataset), { rows: counts.get(dataset) ?? 0 }]),
    ),
    pictures: pictures
      .filter(({ path }) => !lost.has(path))
      .map(({ path, size, sha256 }) => ({ path, size, sha256 })),
    missing: [...missing],
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

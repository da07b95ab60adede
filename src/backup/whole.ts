import { BackupError } from "./error.ts";
import type { Source } from "./load.ts";
import { objectName } from "./manifest.ts";
import { recipientFile } from "./sealing.ts";
import { verifySnapshot } from "./verify.ts";

/** How many damaged files a message names. */
const mostNamed = 3;

/**
 * Reads all of a backup.
 * @param source `salvage`: damaged pictures are no reason to restore nothing
 * @returns keys of the objects that cannot be restored: those it never had and, when that is allowed, damaged ones
 * @throws BackupError damaged
 */
export async function chooseWhole(source: Source & { readonly salvage: boolean }): Promise<string[]> {
  const { files, manifest, key, progress, salvage } = source;
  const { findings: found } = await verifySnapshot(files, manifest.id, {
    key,
    ...(progress && { progress }),
  });
  // Only the next backup needs it.
  const findings = found.filter(({ name }) => name !== recipientFile);
  const never = manifest.missing.map(({ key: missing }) => missing);
  if (findings.length === 0) return never;
  const damaged = new Set(findings.map(({ name }) => name));
  const lost = manifest.objects.filter(({ sha256 }) => damaged.has(objectName(manifest, sha256)));
  for (const { sha256 } of lost) damaged.delete(objectName(manifest, sha256));
  if (salvage && damaged.size === 0) return [...never, ...lost.map(({ key: gone }) => gone)];
  const named = findings.slice(0, mostNamed).map(({ name }) => name);
  const more = findings.length > mostNamed ? ` and ${findings.length - mostNamed} more` : "";
  const advice =
    damaged.size === 0 ? "; --salvage restores everything but these pictures" : "; try an older one";
  throw new BackupError(
    "damaged",
    `The backup ${manifest.id} is damaged: ${named.join(", ")}${more}${advice}`,
  );
}

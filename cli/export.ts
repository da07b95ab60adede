import { exists } from "node:fs/promises";
import type { ExportRequest } from "../src/exports/export-rows.ts";
import { requestSchema } from "../src/exports/request.ts";
import { writeExport } from "../src/exports/write-export.ts";
import { withBackupProgress } from "./backup/progress.ts";
import { intoFile, intoPipe, type Take } from "./export-file.ts";
import { findAccount } from "./find-account.ts";
import { count, inWords } from "./progress-bar.ts";
import { CommandError, type GlobalOptions, UsageError, withContext } from "./with-context.ts";

export interface ExportOptions extends GlobalOptions {
  user: string;
  format: string;
  out: string;
  photos?: boolean;
  from?: string;
  to?: string;
  force?: boolean;
}

const optionOf: Record<string, string> = { format: "--format", startDate: "--from", endDate: "--to" };

/** @throws UsageError */
function readRequest({ format, photos, from, to }: ExportOptions): ExportRequest {
  const wanted = { format: format.toUpperCase(), includePhotos: photos, startDate: from, endDate: to };
  const result = requestSchema.safeParse(wanted);
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    ({ path: [key], message }) => `${optionOf[String(key)]} ${message.replace("startDate", "--from")}`,
  );
  throw new UsageError(problems.join("; "));
}

async function requireRoom({ out, force }: ExportOptions): Promise<void> {
  if (out === "-" && process.stdout.isTTY)
    throw new UsageError("A zip file is nothing to look at: name a file, or send it on with |");
  if (out !== "-" && !force && (await exists(out)))
    throw new CommandError(`${out} is there already: --force replaces it`);
}

/**
 * `trailglass export`: writes an account's journal into a zip file, also beside a running server. Exit code 1 when it is
 * there, but lacks pictures.
 */
export async function exportAccount(options: ExportOptions): Promise<void> {
  const request = readRequest(options);
  await requireRoom(options);
  const { out } = options;
  const { size, summary } = await withContext(options, async (context) => {
    const { id: userId } = await findAccount(context, options.user);
    return withBackupProgress(false, (progress, signal) => {
      const work = (take: Take) => writeExport(context, { ...request, userId }, { take, signal, progress });
      return out === "-" ? intoPipe(work) : intoFile(out, work);
    });
  });
  const { missing } = summary;
  if (out !== "-") console.log(`Wrote the journal of ${options.user} to ${out} (${inWords(size)}).`);
  if (missing.length === 0) return;
  throw new CommandError(
    `The export is there, but ${count(missing.length, "picture")} could not be read: its README.txt names them. To see why, run: trailglass storage check`,
  );
}

import { z } from "zod";
import { largestGiven } from "../../sync/schemas.ts";
import { jsonFileName } from "../json/files.ts";
import { type ExportManifest, formatVersion, manifestSchema } from "../json/manifest-schema.ts";
import { datasets } from "../sources.ts";
import { DamagedEntry, type ImportArchive, mostEntries } from "./import-archive.ts";
import { ImportError } from "./import-error.ts";

/** What says what an archive is, and so has to be there and whole. */
export const manifestName = "export.json";

/** What every version of the format has. */
const anyVersion = z.object({ format: z.literal("trailglass"), formatVersion: z.number() });

/** A picture is listed once, or twice when it is not as it was stored. */
const mostObjects = 2 * mostEntries + 100;

/** Values that an object has at most, and those of the manifest itself; a name may be full of commas. */
const mostValues = { ofObject: 4, besides: 1000 };

/** Whether it may be read as a whole. What stands in texts is counted as well. As values, it takes many times its room as text. */
function isModest(bytes: Uint8Array): boolean {
  let objects = 0;
  let values = 0;
  for (const byte of bytes)
    if (byte === 0x7b || byte === 0x5b) objects++;
    else if (byte === 0x2c) values++;
  return objects <= mostObjects && values <= mostValues.ofObject * objects + mostValues.besides;
}

const foreign = (path: string) =>
  new ImportError(
    "refused",
    `${path} is no export of Trailglass in the format JSON: only that one can be imported`,
  );

async function readJson(archive: ImportArchive): Promise<unknown> {
  if (!archive.has(manifestName)) throw foreign(archive.path);
  try {
    const bytes = await archive.bytes(manifestName);
    if (!isModest(bytes)) throw new DamagedEntry("lists more than an archive can hold");
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    const why = cause instanceof DamagedEntry ? cause.message : "is no JSON";
    throw new ImportError("damaged", `${manifestName} ${why}`, { cause });
  }
}

/** @throws ImportError: without this file nothing can be known of the others */
export async function readImportManifest(archive: ImportArchive): Promise<ExportManifest> {
  const json = await readJson(archive);
  const any = anyVersion.safeParse(json);
  if (!any.success) throw foreign(archive.path);
  if (any.data.formatVersion !== formatVersion) {
    const message = `${archive.path} has version ${any.data.formatVersion} of the format; this program reads version ${formatVersion}`;
    throw new ImportError(
      "refused",
      `${message}: import it with the program that it was made for, or a newer one`,
    );
  }
  const manifest = manifestSchema.safeParse(json);
  if (!manifest.success) {
    const [issue] = manifest.error.issues;
    const where = issue?.path.join(".") || "it";
    throw new ImportError("damaged", `${manifestName}: ${where}: ${issue?.message ?? "is not valid"}`);
  }
  if (manifest.data.syncVersion > largestGiven)
    throw new ImportError("damaged", `${manifestName}: syncVersion: no account ever came so far`);
  archive.requireModest(datasets.map(jsonFileName), "text");
  return manifest.data;
}

import { z } from "zod";
import type { Page } from "../pages.ts";
import type { Snapshot } from "../snapshot.ts";
import { type Dataset, datasets } from "../sources.ts";
import { formatVersion, manifestSchema } from "./manifest-schema.ts";
import { rowSchemas } from "./row-schemas.ts";

/** What the file of a dataset is called. */
export const jsonFileName = (dataset: Dataset): string =>
  `${dataset.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}.json`;

/** Rows as one JSON array, a row a line. */
async function* jsonArray(pages: AsyncIterable<Page>): AsyncGenerator<Uint8Array> {
  let before = "[\n";
  let after = "[]\n";
  for await (const { text } of pages) {
    yield Buffer.from(before);
    yield text;
    before = ",\n";
    after = "\n]\n";
  }
  yield Buffer.from(after);
}

/** The rows of an account, a file a dataset. */
export const jsonFiles = datasets.map((dataset) => ({
  name: jsonFileName(dataset),
  content: (snapshot: Snapshot) => jsonArray(snapshot.pages(dataset)),
}));

/** `schema.json`: what all files hold, in the words of JSON Schema 2020-12; each under `$defs` and its name. */
export function describeFiles(): string {
  const files: Record<string, z.ZodType> = { "export.json": manifestSchema };
  for (const dataset of datasets) files[jsonFileName(dataset)] = z.array(rowSchemas[dataset]);
  const definitions = Object.entries(files).map(([name, schema]) => {
    const { $schema: _draft, ...definition } = z.toJSONSchema(schema, { target: "draft-2020-12" });
    return [name, definition];
  });
  const document = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: `Files of a Trailglass export, version ${formatVersion} of the format`,
    description: "The file x.json is valid against #/$defs/x.json.",
    $defs: Object.fromEntries(definitions),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

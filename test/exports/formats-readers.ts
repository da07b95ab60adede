import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DOMParser, type Document, type Element, onWarningStopParsing } from "@xmldom/xmldom";
import { validateXML } from "xmllint-wasm";

function schema(fileName: string) {
  return { fileName, contents: readFileSync(join(import.meta.dir, "schemas", fileName), "utf8") };
}

const schemas = {
  gpx: { schema: [schema("gpx.xsd")], preload: [] },
  kml: { schema: [schema("ogckml22.xsd")], preload: [schema("atom-author-link.xsd"), schema("xAL.xsd")] },
};

/** What libxml2 finds wrong in documents, all checked in one go. */
export async function complaints(format: "gpx" | "kml", documents: readonly string[]): Promise<string[]> {
  const xml = documents.map((contents, i) => ({ fileName: `${i}.${format}`, contents }));
  const { valid, errors } = await validateXML({ xml, ...schemas[format], maxMemoryPages: 4096 });
  const messages = errors.map(({ rawMessage }) => rawMessage);
  return valid || messages.length > 0 ? messages : ["invalid, for no given reason"];
}

/** @throws on the smallest fault */
export function parseXml(text: string): Document {
  return new DOMParser({ onError: onWarningStopParsing }).parseFromString(text, "text/xml");
}

export function elements(parent: Document | Element, name: string): Element[] {
  return [...parent.getElementsByTagName(name)];
}

/** Texts of all elements of a name, in order. */
export function texts(parent: Document | Element, name: string): (string | null)[] {
  return elements(parent, name).map(({ textContent }) => textContent);
}

export async function written(chunks: AsyncIterable<string>): Promise<string> {
  return (await Array.fromAsync(chunks)).join("");
}

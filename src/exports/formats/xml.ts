/** All that is no `Char` of XML 1.0 (section 2.2), which a document cannot even hold as a reference. */
const forbidden = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/**
 * A person's words as XML text. What XML cannot hold becomes U+FFFD, so that one sees that something was there.
 * References stand for what some reader would take for something else: line ends for line feeds, U+FFFD for a sign
 * of a wrong encoding.
 */
export function escapeXml(text: string): string {
  return text
    .replace(forbidden, "\uFFFD")
    .replace(/[&<>"\r\u0085\u2028\uFFFD]/g, (sign) => entities[sign] ?? `&#${sign.charCodeAt(0)};`);
}

/** An element with text in it; nothing when there is no text. */
export function element(name: string, text: string | null): string {
  return text === null || text === "" ? "" : `<${name}>${escapeXml(text)}</${name}>`;
}

/** An element with others in it, already written. `tag` may carry attributes. */
export function enclose(tag: string, ...contents: readonly string[]): string {
  return `<${tag}>${contents.join("")}</${tag.split(" ", 1)[0]}>`;
}

/**
 * A finite number without an exponent, which xsd:decimal knows nothing of. Exact, but for what is smaller than
 * 0.000001: that has 15 decimals, since more digits in all than 24 are too many for libxml2.
 */
export function decimal(value: number): string {
  const text = String(value);
  if (!text.includes("e")) return text;
  if (Math.abs(value) > 1) return BigInt(value).toString();
  const digits = value.toFixed(15).replace(/\.?0+$/, "");
  return digits === "-0" ? "0" : digits;
}

/** A path of an archive as a reference relative to its root, which is where the document lies. */
export function reference(path: string): string {
  return path.toWellFormed().split("/").map(encodeURIComponent).join("/");
}

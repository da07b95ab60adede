/** Longest name that is told, in characters: file systems take no more. */
const maxLength = 120;

/** Control characters, and what a path or a header might be made of. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const unsafe = /[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069/\\]/g;

const encode = (text: string) =>
  encodeURIComponent(text).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/**
 * A Content-Disposition under which a file keeps its name (RFC 6266), whatever that is made of: in ASCII for all, and
 * as it is, encoded (RFC 8187), where ASCII would lose something.
 */
export function contentDisposition(disposition: "inline" | "attachment", fileName: string): string {
  const name =
    [...fileName.toWellFormed().replace(unsafe, "_")].slice(0, maxLength).join("").trim() || "file";
  const plain = name.replace(/[^ -~]|["%]/gu, "_");
  const header = `${disposition}; filename="${plain}"`;
  return plain === name ? header : `${header}; filename*=UTF-8''${encode(name)}`;
}

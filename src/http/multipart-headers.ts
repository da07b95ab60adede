import { invalid } from "../errors.ts";

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const controls = /[\0-\x08\x0a-\x1f\x7f]/;
const malformed = (what: string) => invalid({ body: `has a part whose ${what}` });

/** Cuts at the semicolons that lie outside of quotes. @returns null when a quote is left open */
function pieces(text: string): string[] | null {
  const piece = /((?:[^";]|"(?:[^"\\]|\\.)*")*)(?:;|$)/y;
  const found: string[] = [];
  while (piece.lastIndex < text.length) {
    const match = piece.exec(text);
    if (match === null) return null;
    found.push((match[1] as string).trim());
  }
  return found.filter((text) => text !== "");
}

/** Browsers write a lone backslash as it is: only what could not stand otherwise is taken as escaped. */
function unquote(value: string): string | null {
  if (!value.includes('"')) return value;
  const inside = /^"((?:[^"\\]|\\.)*)"$/.exec(value)?.[1];
  return inside?.replace(/\\(["\\])/g, "$1") ?? null;
}

/** A value such as `form-data; name=file`, taken apart. */
export interface Parameters {
  /** The words without a value, in lower case: the first is what the rest belongs to. */
  readonly words: readonly string[];
  /** Lower-case names. */
  readonly values: ReadonlyMap<string, string>;
}

/**
 * Reads a header's value with its parameters (RFC 2045, section 5.1).
 * @returns null when it cannot be read in one way only: open quotes, or a parameter with two values
 */
export function readParameters(text: string): Parameters | null {
  const words: string[] = [];
  const values = new Map<string, string>();
  for (const piece of pieces(text) ?? [""]) {
    const [name = "", ...rest] = piece.split("=");
    const key = name.trim().toLowerCase();
    if (rest.length === 0) {
      words.push(key);
      continue;
    }
    const value = unquote(rest.join("=").trim());
    if (value === null || !token.test(key) || (values.get(key) ?? value) !== value) return null;
    values.set(key, value);
  }
  return words[0] ? { words, values } : null;
}

function readLine(line: string): [name: string, value: string] {
  const colon = line.indexOf(":");
  const name = line.slice(0, Math.max(colon, 0));
  if (!token.test(name) || controls.test(line)) throw malformed("headers are malformed");
  return [name.toLowerCase(), line.slice(colon + 1).trim()];
}

/**
 * Reads the headers of a part; lines end with CRLF and nothing else, folded ones are joined (RFC 5322, section 2.2.3).
 * @throws 400 when a line is no header, or one comes twice
 */
export function readPartHeaders(text: string): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  if (text === "") return headers;
  for (const line of text.replace(/\r\n(?=[ \t])/g, "").split("\r\n")) {
    const [name, value] = readLine(line);
    if (headers.has(name)) throw malformed(`header ${name} comes twice`);
    headers.set(name, value);
  }
  return headers;
}

/** `UTF-8''a%20b.jpg` (RFC 5987). A name that cannot be read is no reason to refuse what it names. */
function decodeExtended(value: string | undefined): string | null {
  const encoded = /^utf-8'[^']*'(.*)$/i.exec(value ?? "")?.[1];
  try {
    return encoded === undefined ? null : decodeURIComponent(encoded);
  } catch {
    return null;
  }
}

/**
 * The field and the file that a part is for (RFC 7578, section 4.2). Phones join two dispositions into one, as in
 * `form-data; name=file; form-data; name="file"; filename="photo.jpg"`: that is fine as long as they agree.
 * @throws 400 when there is no name, or are two
 */
export function readDisposition(value: string | undefined): { name: string; fileName: string | null } {
  const read = readParameters(value ?? "");
  const name = read?.values.get("name");
  if (!read || name === undefined || read.words.some((word) => word !== "form-data"))
    throw malformed("Content-Disposition is malformed");
  return {
    name,
    fileName: decodeExtended(read.values.get("filename*")) ?? read.values.get("filename") ?? null,
  };
}

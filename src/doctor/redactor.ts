import { type ConfigSources, find, textOf } from "../config/config.ts";
import { variables } from "../config/variables.ts";

export type Redact = (text: string) => string;

const uuid = /^(doctor-)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A word that long, with digits among its letters, is a token or a key; an id is none. */
const keepIds = (word: string) => (uuid.test(word) || !/\d/.test(word) ? word : "[token]");

/** What looks like something that nobody but its owner should read. The order matters. */
const rules: readonly [RegExp, string | ((found: string) => string)][] = [
  [/\/\/[^\s/@]+@/g, "//[redacted]@"],
  [/\?[^\s"']*=[^\s"']*/g, "?[query]"],
  [/[^\s@"'<>=:,;()/]+@[^\s@"'<>,;()]+/g, "[email]"],
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, "[token]"],
  [/[^\s"'/\\=:]+\.(jpe?g|png|hei[cf]|webp|avif|gif|tiff?|dng|mov|mp4)\b/gi, "[picture]"],
  [/\b(latitude|longitude|lat|lon|lng)\b\W{1,4}\d+(\.\d+)?/gi, "[place]"],
  [/-?\b\d{1,3}\.\d{4,}/g, "[number]"],
  [/[A-Za-z0-9_-]{32,}/g, keepIds],
  [/\/home\/[^/\s"']+/g, "/home/[user]"],
];

/** A secret as it may stand in a text: as it is, and as URLs spell it; of an address, its password, too. */
function spellings(secret: string): string[] {
  const address = secret.replace(/^jdbc:/, "");
  const url = URL.canParse(address) ? new URL(address) : null;
  const parts = url ? [url.password, ...url.searchParams.values()].filter((part) => part.length >= 4) : [];
  return [secret, ...parts, ...parts.map(decoded), encodeURIComponent(secret)].filter(Boolean);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function secretTexts(sources: ConfigSources): string[] {
  return Object.values(variables)
    .filter(({ secret }) => secret)
    .flatMap((variable) => {
      try {
        return spellings(textOf(find(variable, sources.environment), sources) ?? "");
      } catch {
        return [];
      }
    });
}

/** Makes what takes secrets, tokens, emails, places and names of pictures out of a text. */
export function createRedactor(sources: ConfigSources): Redact {
  // The longest first: one may be part of another.
  const secrets = [...new Set(secretTexts(sources))].sort((a, b) => b.length - a.length);
  return (text) => {
    const cleared = secrets.reduce((rest, secret) => rest.replaceAll(secret, "[secret]"), text);
    return rules.reduce((rest, [pattern, instead]) => rest.replace(pattern, instead as string), cleared);
  };
}

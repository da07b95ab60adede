import parseRange from "range-parser";

/** A part of an object: offsets of its first and its last byte, both included. */
interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The parser takes more bytes from the end than there are for unsatisfiable; RFC 9110, 14.1.2 means them all. */
function clampSuffix(header: string, size: number): string {
  return header.replace(
    /^(bytes=[ \t]*-)(\d+)[ \t]*$/i,
    (_, start, count) => start + Math.min(Number(count), size),
  );
}

/** Ranges that end before they begin are wrong, not unsatisfiable (RFC 9110, 14.1.1). */
const isBackwards = (header: string) =>
  [...header.matchAll(/(\d+)[ \t]*-[ \t]*(\d+)/g)].some(([, first, last]) => Number(first) > Number(last));

/**
 * The part that a `Range` header asks for (RFC 9110, section 14.2).
 * @param size bytes of the whole
 * @returns null for the whole: no header, one that cannot be read, other units, or several ranges at once
 */
export function readByteRange(header: string | null, size: number): ByteRange | "unsatisfiable" | null {
  if (header === null || !/^bytes=/i.test(header) || isBackwards(header)) return null;
  const ranges = parseRange(size, clampSuffix(header, size));
  if (ranges === -1) return "unsatisfiable";
  if (ranges === -2 || ranges.length !== 1 || header.includes(",")) return null;
  return ranges[0] ?? null;
}

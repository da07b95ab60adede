import { boxesIn, Cursor, find, fourLetters } from "./boxes.ts";

/** A part of a file, in bytes. */
export interface Place {
  readonly start: number;
  readonly length: number;
}

/** The indexes, from 1, of an item's properties, by the `ipma` box. */
export function propertiesOf(ipma: DataView, item: number): number[] {
  const cursor = new Cursor(ipma);
  const wide = (ipma.getUint8(3) & 1) === 1;
  for (let entries = cursor.number(4); entries > 0; entries--) {
    const id = cursor.number(cursor.version < 1 ? 2 : 4);
    const indexes = Array.from({ length: cursor.number(1) }, () =>
      wide ? cursor.number(2) & 0x7fff : cursor.number(1) & 0x7f,
    );
    if (id === item) return indexes;
  }
  return [];
}

/** The first item of type `Exif` of a `meta` box. */
export function exifItem(meta: DataView): number | null {
  const iinf = find(boxesIn(meta, 4), "iinf");
  for (const { type, view } of boxesIn(iinf, iinf.getUint8(0) === 0 ? 6 : 8)) {
    const wide = view.getUint8(0) === 3;
    if (type === "infe" && fourLetters(view, wide ? 10 : 8) === "Exif") {
      return wide ? view.getUint32(4) : view.getUint16(4);
    }
  }
  return null;
}

/** Where an item's first extent lies in the file; null when it lies elsewhere. */
export function locate(iloc: DataView, item: number): Place | null {
  const cursor = new Cursor(iloc);
  const sizes = cursor.number(2);
  const [offsetSize, lengthSize, baseSize] = [sizes >> 12, (sizes >> 8) & 15, (sizes >> 4) & 15];
  const indexSize = cursor.version === 0 ? 0 : sizes & 15;
  const idSize = cursor.version < 2 ? 2 : 4;
  for (let items = cursor.number(idSize); items > 0; items--) {
    const id = cursor.number(idSize);
    const inFile = cursor.version === 0 || (cursor.number(2) & 15) === 0;
    cursor.at += 2;
    const base = cursor.number(baseSize);
    const extents = cursor.number(2);
    if (id !== item) cursor.at += extents * (indexSize + offsetSize + lengthSize);
    else if (!inFile || extents === 0) return null;
    else {
      cursor.at += indexSize;
      return { start: base + cursor.number(offsetSize), length: cursor.number(lengthSize) };
    }
  }
  return null;
}

import { type Box, boxesIn, Cursor, find, fourLetters } from "./boxes.ts";
import { exifItem, locate, type Place, propertiesOf } from "./heif-items.ts";

/** What a HEIC or AVIF file says of itself without being decoded: ISO/IEC 23008-12. */
export interface HeifDescription {
  /** Pixels, cropped (`clap`) but not yet turned. */
  readonly width: number;
  readonly height: number;
  /** As in EXIF, 1 to 8: how it has to be turned to be upright (`irot`, then `imir`). */
  readonly orientation: number;
  /** An ICC profile, when there is one. */
  readonly colourProfile: Uint8Array | null;
  /** Where the EXIF item lies in the file. */
  readonly exif: Place | null;
}

/** Largest `meta` box that is read; those of phones have some kilobytes, or some 100 with many tiles. */
const largestMeta = 1024 * 1024;
/** Boxes looked at in a file before `meta` has to have come: it is among the first. */
const mostTopBoxes = 32;

/** By quarter turns anticlockwise (`irot`): unmirrored, then mirrored by `imir` top to bottom, then left to right. */
const orientations: readonly (readonly [number, number, number])[] = [
  [1, 4, 2],
  [8, 5, 7],
  [3, 2, 4],
  [6, 7, 5],
];

function exifOf(meta: DataView): HeifDescription["exif"] {
  try {
    const item = exifItem(meta);
    return item === null ? null : locate(find(boxesIn(meta, 4), "iloc"), item);
  } catch {
    // The picture is there without it.
    return null;
  }
}

/** Pixels as stored, or what is left of them: HEVC pads pictures, and the clean aperture takes that away. */
function sizeOf(properties: Box[]): { width: number; height: number } {
  const stored = find(properties, "ispe");
  const clap = properties.find(({ type }) => type === "clap")?.view;
  const cut = (whole: number, at: number) =>
    clap ? Math.min(whole, Math.round(clap.getUint32(at) / clap.getUint32(at + 4)) || whole) : whole;
  return { width: cut(stored.getUint32(4), 0), height: cut(stored.getUint32(8), 8) };
}

function orientationOf(properties: Box[]): number {
  const turns = properties.find(({ type }) => type === "irot")?.view.getUint8(0) ?? 0;
  const mirror = properties.find(({ type }) => type === "imir")?.view.getUint8(0);
  return orientations[turns & 3]?.[mirror === undefined ? 0 : (mirror & 1) + 1] ?? 1;
}

function profileOf(properties: Box[]): Uint8Array | null {
  const isIcc = ({ type, view }: Box) => type === "colr" && /prof|rICC/.test(fourLetters(view, 0));
  const view = properties.find(isIcc)?.view;
  return view ? new Uint8Array(view.buffer, view.byteOffset + 4, view.byteLength - 4) : null;
}

function describe(meta: DataView): HeifDescription {
  const pitm = new Cursor(find(boxesIn(meta, 4), "pitm"));
  const primary = pitm.number(pitm.version === 0 ? 2 : 4);
  const iprp = find(boxesIn(meta, 4), "iprp");
  const all = [...boxesIn(find(boxesIn(iprp), "ipco"))];
  const properties = propertiesOf(find(boxesIn(iprp), "ipma"), primary).flatMap(
    (index) => all[index - 1] ?? [],
  );
  return {
    ...sizeOf(properties),
    orientation: orientationOf(properties),
    colourProfile: profileOf(properties),
    exif: exifOf(meta),
  };
}

/** Finds the `meta` box, reading only the headers of those before it. */
async function readMeta(file: Blob): Promise<DataView> {
  let at = 0;
  for (let boxes = 0; boxes < mostTopBoxes; boxes++) {
    const header = new DataView(await file.slice(at, at + 16).arrayBuffer());
    const wide = header.getUint32(0) === 1;
    const size = wide ? Number(header.getBigUint64(8)) : header.getUint32(0) || file.size - at;
    if (fourLetters(header, 4) === "meta") {
      if (size > largestMeta) break;
      return new DataView(await file.slice(at + (wide ? 16 : 8), at + size).arrayBuffer());
    }
    if (size < 8) break;
    at += size;
  }
  throw new RangeError("There is no meta box of a size that is read");
}

/** @returns null when the file is damaged or none of this kind */
export async function describeHeif(file: Blob): Promise<HeifDescription | null> {
  try {
    return describe(await readMeta(file));
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

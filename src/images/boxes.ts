/** A box of ISO/IEC 14496-12. Reading past its end throws a RangeError: made-up sizes and counts end there. */
export interface Box {
  readonly type: string;
  /** Its content, without the header. */
  readonly view: DataView;
}

/** A four-character code. */
export const fourLetters = (view: DataView, at: number) =>
  String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));

const part = (view: DataView, start: number, end = view.byteLength) => {
  if (end < start || end > view.byteLength) throw new RangeError("A box reaches beyond the one it lies in");
  return new DataView(view.buffer, view.byteOffset + start, end - start);
};

/** The boxes within a box, from an offset on. */
export function* boxesIn(view: DataView, from = 0): Generator<Box> {
  for (let at = from; at + 8 <= view.byteLength; ) {
    const size = view.getUint32(at) || view.byteLength - at;
    if (size < 8) throw new RangeError("A box is smaller than its header");
    yield { type: fourLetters(view, at + 4), view: part(view, at + 8, at + size) };
    at += size;
  }
}

/** The first box of a type. @throws RangeError when there is none. */
export function find(boxes: Iterable<Box>, type: string): DataView {
  for (const box of boxes) if (box.type === type) return box.view;
  throw new RangeError(`There is no ${type} box`);
}

/** Reads the numbers of a box with a version, one after the other. */
export class Cursor {
  at = 4;
  readonly version: number;
  constructor(readonly view: DataView) {
    this.version = view.getUint8(0);
  }
  /** @param bytes 0 (reads as 0), 1, 2, 4 or 8 */
  number(bytes: number): number {
    let value = 0;
    for (let i = 0; i < bytes; i++) value = value * 256 + this.view.getUint8(this.at++);
    return value;
  }
}

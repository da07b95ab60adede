/** Most of an ICC profile that one APP2 segment holds. Those of phones have about 500 bytes. */
const largest = 65_535 - 2 - 14;

/**
 * Puts an ICC profile into a JPEG that has none; one that is too large is left out.
 * @see ICC.1:2022, annex B.4
 */
export function withColourProfile(jpeg: Uint8Array, profile: Uint8Array): Uint8Array {
  if (profile.byteLength > largest) return jpeg;
  const segment = Buffer.alloc(18);
  segment.writeUInt16BE(0xffe2, 0);
  segment.writeUInt16BE(2 + 14 + profile.byteLength, 2);
  segment.write("ICC_PROFILE\0", 4, "latin1");
  // The first part of one.
  segment.set([1, 1], 16);
  // The JFIF segment has to stay the first.
  const isJfif = jpeg[2] === 0xff && jpeg[3] === 0xe0;
  const at = isJfif ? 4 + new DataView(jpeg.buffer, jpeg.byteOffset).getUint16(4) : 2;
  return Buffer.concat([jpeg.subarray(0, at), segment, profile, jpeg.subarray(at)]);
}

import { expect, test } from "bun:test";
import { extensionOf, mediaTypes, previewTypeOf, sniffedBytes, sniffMediaType } from "./media-type.ts";

/** An `ftyp` box and the start of another. */
function ftyp(major: string, ...compatible: string[]): Uint8Array {
  const size = 16 + 4 * compatible.length;
  const box = Buffer.alloc(size + 8);
  box.writeUInt32BE(size, 0);
  box.write(`ftyp${major}\0\0\0\0${compatible.join("")}\0\0\0\0meta`, 4, "latin1");
  return box;
}

const latin = (text: string) => Buffer.from(text, "latin1");

test.each([
  ["image/jpeg", latin("\xff\xd8\xff\xe0\0\x10JFIF")],
  ["image/jpeg", latin("\xff\xd8\xff\xe1")],
  ["image/png", latin("\x89PNG\r\n\x1a\n\0\0\0\rIHDR")],
  ["image/webp", latin("RIFF\x10\0\0\0WEBPVP8 ")],
  ["image/gif", latin("GIF89a\x01\0")],
  ["image/gif", latin("GIF87a\x01\0")],
  ...["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"].map(
    (brand) => ["image/heic", ftyp(brand, "mif1")] as const,
  ),
  ["image/heic", ftyp("mif1", "mif1", "miaf", "heic")],
  ["image/avif", ftyp("avif", "avif", "mif1", "miaf")],
  ["image/avif", ftyp("avis", "msf1")],
  ["image/avif", ftyp("mif1", "miaf", "avif")],
  // A HEIC that says it fits AVIF readers as well is what its major brand says.
  ["image/heic", ftyp("heic", "mif1", "avif")],
  ["image/heif", ftyp("mif1", "mif1")],
  ["image/heif", ftyp("msf1")],
] as const)("%s", (mediaType, head) => {
  expect(sniffMediaType(head)).toBe(mediaType);
});

test.each([
  ["nothing", new Uint8Array()],
  ["a text", latin("hello, this is no picture at all")],
  ["a film", ftyp("isom", "iso2", "avc1", "mp41")],
  ["a film with a picture's brand further on", ftyp("mp42", "mif1", "heic")],
  ["HTML", latin("<!doctype html><script>")],
  ["a WAV", latin("RIFF\x10\0\0\0WAVEfmt ")],
  ["TIFF", latin("II*\0\x08\0\0\0")],
  ["half a signature", latin("\x89PNG")],
  ["an ftyp without brand", latin("\0\0\0\x08ftyp")],
] as const)("%s is none", (_what, head) => {
  expect(sniffMediaType(head)).toBeNull();
});

test("brands outside the ftyp box do not count", () => {
  const file = Buffer.concat([ftyp("mif1", "mif1").subarray(0, 20), latin("avif")]);
  expect(sniffMediaType(file)).toBe("image/heif");
});

test("nothing beyond the first bytes decides", () => {
  const brands = Array(20).fill("mif1");
  const head = ftyp("mif1", ...brands, "heic");
  expect(sniffMediaType(head)).toBe(sniffMediaType(head.subarray(0, sniffedBytes)));
});

test("every media type has an extension and a kind of thumbnail", () => {
  expect(mediaTypes.map(extensionOf).sort()).toEqual(["avif", "gif", "heic", "heif", "jpg", "png", "webp"]);
  expect(mediaTypes.filter((type) => previewTypeOf(type) === "image/webp").sort()).toEqual([
    "image/gif",
    "image/png",
    "image/webp",
  ]);
});

import createAvifDecoder from "@jsquash/avif/codec/dec/avif_dec.js";
import avifWasm from "@jsquash/avif/codec/dec/avif_dec.wasm" with { type: "file" };
import createLibheif from "libheif-js/libheif-wasm/libheif.js";
import heifWasm from "libheif-js/libheif-wasm/libheif.wasm" with { type: "file" };
import { type Pixels, toBitmap } from "./bitmap.ts";
import type { MediaType } from "./media-type.ts";
import { Unreadable } from "./unreadable.ts";

/** What is used of libheif. Its own type declarations describe a promise of this; the module is not one. */
interface Libheif {
  heif_context_alloc(): object;
  heif_context_read_from_memory(context: object, bytes: Uint8Array): { code: { value: number } };
  heif_js_context_get_primary_image_handle(context: object): object & { code?: unknown };
  heif_image_handle_get_width(handle: object): number;
  heif_image_handle_get_height(handle: object): number;
  heif_js_decode_image2(handle: object, space: unknown, chroma: unknown): { channels?: Pixels[] };
  heif_colorspace: { heif_colorspace_RGB: unknown };
  heif_chroma: { heif_chroma_interleaved_RGBA: unknown };
}

const readWasm = (path: string) => Bun.file(path).arrayBuffer();

/** libheif turns the picture upright itself. */
async function decodeHeic(bytes: Uint8Array, maxPixels: number): Promise<Pixels | null> {
  const lib = createLibheif({ wasmBinary: await readWasm(heifWasm) }) as unknown as Libheif;
  const context = lib.heif_context_alloc();
  if (lib.heif_context_read_from_memory(context, bytes).code.value !== 0) return null;
  const handle = lib.heif_js_context_get_primary_image_handle(context);
  if (handle.code !== undefined) return null;
  const pixels = lib.heif_image_handle_get_width(handle) * lib.heif_image_handle_get_height(handle);
  if (!(pixels <= maxPixels)) return null;
  const { heif_colorspace_RGB: space } = lib.heif_colorspace;
  const { heif_chroma_interleaved_RGBA: chroma } = lib.heif_chroma;
  return lib.heif_js_decode_image2(handle, space, chroma).channels?.[0] ?? null;
}

async function decodeAvif(bytes: Uint8Array<ArrayBuffer>): Promise<Pixels | null> {
  const image = (await createAvifDecoder({ wasmBinary: await readWasm(avifWasm) })).decode(bytes.buffer, 8);
  return image && { width: image.width, height: image.height, stride: image.width * 4, data: image.data };
}

/**
 * Decodes a HEIC, HEIF or AVIF. Nothing else happens in the process meanwhile, and memory of WebAssembly goes back
 * only with it.
 * @param maxPixels the file's own word on its size has to have been checked before
 * @returns a BMP: HEIC is upright, AVIF as stored
 * @throws Unreadable
 */
export async function decodeHeif(
  bytes: Uint8Array<ArrayBuffer>,
  mediaType: MediaType,
  maxPixels: number,
): Promise<Uint8Array<ArrayBuffer>> {
  let pixels: Pixels | null = null;
  try {
    pixels = await (mediaType === "image/avif" ? decodeAvif(bytes) : decodeHeic(bytes, maxPixels));
  } catch {
    // Out of memory, or what a decoder did not expect: the file is at fault.
  }
  if (pixels && pixels.width * pixels.height <= maxPixels) return toBitmap(pixels);
  throw new Unreadable("The file is damaged, or of a kind that cannot be decoded");
}

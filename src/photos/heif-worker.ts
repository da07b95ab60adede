import createAvifDecoder from "@jsquash/avif/codec/dec/avif_dec.js";
import avifWasm from "@jsquash/avif/codec/dec/avif_dec.wasm" with { type: "file" };
import createLibheif from "libheif-js/libheif-wasm/libheif.js";
import heifWasm from "libheif-js/libheif-wasm/libheif.wasm" with { type: "file" };
import { type Pixels, toBitmap } from "./bitmap.ts";
import type { HeifJob, HeifResult } from "./heif-decoder.ts";

declare const self: Worker;

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

/** libheif turns the picture upright itself. */
function decodeHeic(lib: Libheif, bytes: Uint8Array, maxPixels: number): Pixels | null {
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

async function decode({ file, mediaType, maxPixels }: HeifJob): Promise<Pixels | null> {
  const bytes = await file.arrayBuffer();
  const isAvif = mediaType === "image/avif";
  const wasmBinary = await Bun.file(isAvif ? avifWasm : heifWasm).arrayBuffer();
  if (!isAvif) {
    const lib = createLibheif({ wasmBinary }) as unknown as Libheif;
    return decodeHeic(lib, new Uint8Array(bytes), maxPixels);
  }
  const image = (await createAvifDecoder({ wasmBinary })).decode(bytes, 8);
  return image && { width: image.width, height: image.height, stride: image.width * 4, data: image.data };
}

/** Answers with the pixels as a bitmap, or null when there is no way to decode them. One job, then it is ended. */
self.onmessage = async (event: MessageEvent<HeifJob>) => {
  let bitmap: HeifResult = null;
  try {
    const pixels = await decode(event.data);
    if (pixels && pixels.width * pixels.height <= event.data.maxPixels) bitmap = toBitmap(pixels).buffer;
  } catch {
    // Out of memory, or what a decoder did not expect: the file is at fault.
  }
  self.postMessage(bitmap, bitmap ? [bitmap] : []);
};

import { newKey } from "./object-key.ts";
import type { ObjectStorage } from "./storage.ts";

/** Writes, reads and deletes a small object. @throws what the storage throws, and when the bytes come back changed. */
export async function roundTrip(storage: ObjectStorage): Promise<void> {
  const key = newKey("probes");
  const bytes = crypto.getRandomValues(new Uint8Array(64));
  await storage.put(key, new Blob([bytes]).stream(), { mediaType: "application/octet-stream" });
  try {
    const object = await storage.get(key);
    const found = object && (await new Response(object.body).bytes());
    if (!found || !Buffer.from(found).equals(bytes)) throw new Error("bytes do not come back as they were");
  } finally {
    await storage.delete(key);
  }
}

import { notFound } from "../errors.ts";
import { type ObjectToSend, objectResponse } from "../http/object-response.ts";
import type { ObjectStorage } from "./storage.ts";

/**
 * Answers a GET or HEAD with an object from the storage.
 * @throws 404 when it is not there, 416 for a range outside of it
 */
export async function sendObject(
  request: Request,
  storage: ObjectStorage,
  key: string,
  shown: Omit<ObjectToSend, "size" | "open">,
): Promise<Response> {
  const info = await storage.stat(key);
  if (info === null) throw notFound("File");
  const open = (range: { start: number; end: number } | null) => storage.get(key, range ?? undefined);
  return objectResponse(request, { ...shown, size: info.size, open });
}

import type { z } from "zod";
import { AppError, invalid } from "../errors.ts";

/** Largest body of an ordinary request, in bytes. */
export const ordinaryBody = 1024 * 1024;
/** Largest body of a delta or a batch of points, in bytes. */
export const bulkBody = 32 * 1024 * 1024;

/** Checks a value against a schema. @throws 400 with the path of each wrong field. */
export function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw invalid(
    Object.fromEntries(result.error.issues.map((issue) => [issue.path.join(".") || "body", issue.message])),
  );
}

function tooLarge(limit: number): AppError {
  return new AppError("PAYLOAD_TOO_LARGE", `The body is larger than ${limit} bytes`);
}

async function readChunks(request: Request, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // To leave a loop early would cancel the body, which is still to be read away.
  for await (const chunk of request.body?.values({ preventCancel: true }) ?? []) {
    length += chunk.byteLength;
    if (length > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Reads a body. @param limit bytes @throws 413 when it is larger, 400 when it did not arrive whole */
export async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length") ?? 0) > limit) throw tooLarge(limit);
  try {
    return request.headers.has("content-length") ? await request.bytes() : await readChunks(request, limit);
  } catch (error) {
    if (error instanceof AppError) throw error;
    // The client went away. Nobody reads this answer; it keeps the log free of errors that are not ours.
    throw invalid({ body: "did not arrive whole" });
  }
}

function requireJson(request: Request): void {
  const type = request.headers.get("content-type");
  if (type === null || /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type)) return;
  throw new AppError("UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json");
}

/**
 * Reads a JSON body. An empty one reads as `{}`, so that the schema names what is missing.
 * @param limit bytes
 * @throws 413 when it is larger, 415 when it says it is something else, 400 when it is no JSON or does not fit.
 */
export async function readJson<T>(request: Request, schema: z.ZodType<T>, limit = ordinaryBody): Promise<T> {
  const bytes = await readBytes(request, limit);
  if (bytes.byteLength === 0) return parse(schema, {});
  requireJson(request);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw invalid({ body: "is not valid JSON in UTF-8" });
  }
  return parse(schema, value);
}

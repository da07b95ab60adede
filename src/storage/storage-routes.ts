import { Elysia } from "elysia";
import type { Database } from "../database/client.ts";
import { AppError, invalid, notFound } from "../errors.ts";
import { described } from "../http/described.ts";
import { ExactBody } from "./exact-body.ts";
import { areaOf } from "./object-key.ts";
import { announceAgain, isAnnounced } from "./references.ts";
import { sendObject } from "./send-object.ts";
import { linkSeconds, type SignedUrls } from "./signed-urls.ts";
import type { ObjectStorage } from "./storage.ts";

/** What the routes need of the server. */
interface StorageContext {
  readonly db: Database;
  readonly storage: ObjectStorage;
  readonly signedUrls: SignedUrls;
  readonly previews: {
    /** Makes a preview where there is none yet. @returns false when there can be none */
    ensure(key: string): Promise<boolean>;
  };
}

/** Objects never change, so that their names do for what tells two of them apart. */
const etagOf = (key: string) => `"${key.slice(key.indexOf("/") + 1)}"`;

async function send(request: Request, { storage, signedUrls, previews }: StorageContext): Promise<Response> {
  const { key, mediaType, fileName } = signedUrls.verify(request.method, new URL(request.url));
  if (areaOf(key) === "thumbnails" && !(await previews.ensure(key))) throw notFound("File");
  // Copies of a whole journal are not to lie about.
  const isExport = areaOf(key) === "exports";
  return sendObject(request, storage, key, {
    mediaType,
    etag: etagOf(key),
    fileName: fileName ?? "file",
    disposition: "inline",
    cacheControl: isExport ? "private, no-store" : `private, max-age=${linkSeconds}, immutable`,
  });
}

function requireType(request: Request, mediaType: string): void {
  const given = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (given === undefined || given === mediaType.toLowerCase()) return;
  throw invalid({ "Content-Type": `has to be ${mediaType}, as it was asked for` });
}

async function receive(request: Request, { db, storage, signedUrls }: StorageContext): Promise<Response> {
  const { key, mediaType, size } = signedUrls.verify("PUT", new URL(request.url));
  if (areaOf(key) !== "uploads" || size === null) throw new AppError("FORBIDDEN", "Nothing is uploaded here");
  requireType(request, mediaType);
  if (!(await isAnnounced(db, key))) throw new AppError("FORBIDDEN", "This upload is over; plan a new one");
  const body = new ExactBody(request, size);
  try {
    await storage.put(key, body.stream, { mediaType });
  } catch (error) {
    throw body.failure ?? error;
  } finally {
    body.close();
    await announceAgain(db, key);
  }
  // As S3 answers: phones do not know which of the two they talk to.
  return new Response(null, { headers: { ETag: etagOf(key) } });
}

async function answer(request: Request, context: StorageContext): Promise<Response> {
  const { method } = request;
  if (method === "GET" || method === "HEAD") return send(request, context);
  if (method === "PUT") return receive(request, context);
  throw new AppError("METHOD_NOT_ALLOWED", "Use GET or HEAD or PUT here", {
    headers: { Allow: "GET, HEAD, PUT" },
  });
}

/** `/storage`: objects by signed URLs, for whoever has one. Bytes stream through, in both directions. */
export function storageRoutes(context: StorageContext) {
  // One route for all methods: were there one for GET, the router would answer HEAD with it, and read the whole
  // body to count its bytes.
  return new Elysia({ prefix: "/storage" }).all("/*", ({ request }) => answer(request, context), {
    parse: "none",
    ...described("storedObject"),
  });
}

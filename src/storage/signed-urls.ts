import { createHmac, timingSafeEqual } from "node:crypto";
import { AppError } from "../errors.ts";
import type { PublicAddress } from "../http/public-address.ts";
import { areaOf, isKey } from "./object-key.ts";

/** How long a URL is good for, in seconds. */
export const linkSeconds = 15 * 60;

/** The same of those that lead to exports, at most: they are good for as long as what they lead to is kept. */
const exportSeconds = 7 * 24 * 60 * 60;

const longestLife = (key: string) => (areaOf(key) === "exports" ? exportSeconds : linkSeconds);

/** Seconds by which the clocks of two servers may differ. */
const clockDifference = 60;

const path = "/storage/";

/** All that a URL stands for. */
export interface SignedObject {
  readonly key: string;
  readonly mediaType: string;
  /** What it is saved as; null in a URL to put it. */
  readonly fileName: string | null;
  /** Bytes that have to come; null in a URL to get it. */
  readonly size: number | null;
}

/** What the signature is made over: no two URLs have the same text, as JSON can be read in one way only. */
export function signedText(method: "GET" | "PUT", expires: number, object: SignedObject): string {
  return JSON.stringify([method, object.key, expires, object.mediaType, object.fileName, object.size]);
}

const forbidden = () => new AppError("FORBIDDEN", "This link is not valid any more; ask for a new one");

/** A number as these URLs spell it, and in no other way. */
const readNumber = (text: string) => (/^(0|[1-9]\d{0,14})$/.test(text) ? Number(text) : Number.NaN);

/**
 * URLs of this server's own under which an object may be got or put for 15 minutes, by whoever has them; exports may be
 * got for longer.
 */
export class SignedUrls {
  #secret: Uint8Array;
  readonly #address: PublicAddress;
  readonly #now: () => number;

  /** @param parts.now milliseconds since 1970 */
  constructor(parts: { secret: Uint8Array; address: PublicAddress; now?: () => number }) {
    this.#secret = parts.secret;
    this.#address = parts.address;
    this.#now = parts.now ?? Date.now;
  }

  /** From now on another secret signs; URLs that the one before signed are not valid any more. */
  useSecret(secret: Uint8Array): void {
    this.#secret = secret;
  }

  /**
   * An absolute URL to read an object at, with GET or HEAD.
   * @param to.seconds how long it is good for, where that is not as long as usual; only exports may take longer
   */
  get(key: string, to: { mediaType: string; fileName: string; seconds?: number }): string {
    const { mediaType, seconds = linkSeconds } = to;
    const fileName = to.fileName.toWellFormed();
    const life = Math.min(seconds, longestLife(key));
    const object = { key, mediaType, fileName, size: null };
    return this.#url("GET", object, `&name=${encodeURIComponent(fileName)}`, life);
  }

  /** An absolute URL to put an object at. @param object.size bytes that have to come, no more and no less */
  put(key: string, { mediaType, size }: { mediaType: string; size: number }): string {
    return this.#url("PUT", { key, mediaType, fileName: null, size }, `&size=${size}`, linkSeconds);
  }

  /**
   * Reads a URL back.
   * @throws 403 when it is not exactly as it was made, is for something else, or its time is over
   */
  verify(method: string, url: URL): SignedObject {
    const verb = method === "HEAD" ? "GET" : method;
    if (verb !== "GET" && verb !== "PUT") throw forbidden();
    const query = Object.fromEntries(url.searchParams);
    const { expires = "", type, name = null, size = null, signature = "" } = query;
    const key = url.pathname.startsWith(path) ? url.pathname.slice(path.length) : "";
    // As many as these URLs have, each of them once.
    const isComplete = (verb === "GET" ? name : size) !== null && type !== undefined;
    if (!isKey(key) || !isComplete || url.searchParams.size !== 4) throw forbidden();
    const object = { key, mediaType: type, fileName: name, size: size === null ? null : readNumber(size) };
    this.#check(verb, readNumber(expires), object, signature);
    return object;
  }

  #url(method: "GET" | "PUT", object: SignedObject, rest: string, seconds: number): string {
    const expires = Math.floor(this.#now() / 1000) + seconds;
    const query = `expires=${expires}&type=${encodeURIComponent(object.mediaType)}${rest}`;
    const signature = this.#sign(method, expires, object);
    return `${this.#address.base}${path}${object.key}?${query}&signature=${signature}`;
  }

  #sign(method: "GET" | "PUT", expires: number, object: SignedObject): string {
    return createHmac("sha256", this.#secret)
      .update(signedText(method, expires, object))
      .digest("base64url");
  }

  #check(method: "GET" | "PUT", expires: number, object: SignedObject, signature: string): void {
    const seconds = this.#now() / 1000;
    const life = method === "GET" ? longestLife(object.key) : linkSeconds;
    const isInTime = expires > seconds && expires <= seconds + life + clockDifference;
    // The text, not what it decodes to: base64 has several spellings of the same bytes.
    const expected = Buffer.from(this.#sign(method, expires, object));
    const given = Buffer.from(signature);
    if (!isInTime || given.length !== expected.length || !timingSafeEqual(given, expected)) throw forbidden();
  }
}

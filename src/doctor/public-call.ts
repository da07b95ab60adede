import type { Config } from "../config/config.ts";
import { PublicAddress } from "../http/public-address.ts";

/** How a request through PUBLIC_URL ended. */
export type Outcome =
  /** Our program answered. */
  | { readonly from: "server"; readonly answer: Answer }
  /** Something on the way did. */
  | { readonly from: "other"; readonly answer: Answer }
  /** Nobody did. */
  | { readonly from: "nobody"; readonly code: string };

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Of an answer of ours, its body read as JSON. */
  readonly error: string | null;
}

/** Milliseconds for one request: phones give up after 30 s, and nobody waits gladly for more than a few. */
const patience = 8000;
/** Bytes of an answer that are read: who answers there is not known yet, and may never come to an end. */
const longestAnswer = 64 * 1024;

/** Headers that make an answer recognisable, and the request one that a phone could send. */
export function callHeaders(): Record<string, string> {
  return {
    "X-Request-ID": `doctor-${crypto.randomUUID()}`,
    "X-Device-ID": crypto.randomUUID(),
    "X-App-Version": "doctor",
    Accept: "application/json",
  };
}

/** What links start with; as phones have it. */
export const publicBase = ({ publicUrl }: Config): string | null =>
  publicUrl === undefined ? null : new PublicAddress(publicUrl).base;

/**
 * Whether our program wrote these headers: it sends back the id that the request came with, in answers that browsers
 * must take as what they are. A proxy that makes pages of its own does neither.
 */
export function isOurs(headers: Headers, requestId: string | undefined): boolean {
  const isJson = headers.get("content-type")?.startsWith("application/json") ?? false;
  const isMarked = headers.get("x-content-type-options")?.toLowerCase() === "nosniff";
  return isJson && isMarked && headers.get("x-request-id") === requestId;
}

/** The first bytes of an answer, as text. */
async function readStart({ body }: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body ?? []) {
    pieces.push(piece);
    size += piece.byteLength;
    if (size >= longestAnswer) break;
  }
  return new TextDecoder().decode(Buffer.concat(pieces).subarray(0, longestAnswer));
}

async function readErrorCode(response: Response): Promise<string | null> {
  try {
    const { error } = JSON.parse(await readStart(response));
    return typeof error === "string" ? error : null;
  } catch {
    return null;
  }
}

/** Asks for a path of the server from outside, as far as this machine can. Follows no redirection; never throws. */
export async function call(base: string, path: string): Promise<Outcome> {
  const headers = callHeaders();
  const signal = AbortSignal.timeout(patience);
  try {
    const response = await fetch(base + path, { headers, redirect: "manual", signal });
    const ours = isOurs(response.headers, headers["X-Request-ID"]);
    const error = ours ? await readErrorCode(response) : null;
    if (!ours) await response.body?.cancel();
    const answer = { status: response.status, headers: response.headers, error };
    return { from: ours ? "server" : "other", answer };
  } catch (error) {
    const { code, name } = error as { code?: unknown; name?: string };
    return { from: "nobody", code: String(code && typeof code === "string" ? code : name) };
  }
}

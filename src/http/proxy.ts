import { type AddressRange, cloudflareRanges, isWithin } from "../config/proxy-ranges.ts";
import { readAddress } from "./client-address.ts";

/** Who is really asking, and whether the way here was encrypted. */
export interface Client {
  /** In canonical form; empty where nobody knows it. */
  readonly address: string;
  readonly secure: boolean;
}

const listOf = (header: string | null) =>
  (header ?? "")
    .split(",")
    .map((item) => item.trim())
    .filter(Boolean);

/** Longer lists of proxies are made up; each hop costs a look at all ranges. */
const mostHops = 32;

/**
 * The farthest hop that somebody trusted has seen with their own eyes: the rightmost that is no proxy of ours, since
 * anything further left may be made up. Where all are ours, the leftmost.
 */
function farthestSeen(headers: Headers, peer: string, trusted: readonly AddressRange[]): string {
  let seen = peer;
  for (const hop of listOf(headers.get("x-forwarded-for")).slice(-mostHops).reverse()) {
    const address = readAddress(hop);
    // Whoever wrote something else down did not know who called them: they are as far as we can see.
    if (address === null) return seen;
    seen = address;
    if (!isWithin(address, trusted)) return seen;
  }
  return seen;
}

/**
 * Finds the client behind trusted proxies; forwarded headers count only when the peer itself is trusted.
 *
 * `CF-Connecting-IP` is believed only when the farthest hop that was seen is a server of Cloudflare's: those always set
 * it to who called them, while everybody else, nginx and Caddy among them, hands on what the client made up.
 * @param peer address of the socket's other end
 * @param tls whether the socket itself is encrypted
 */
export function findClient(
  headers: Headers,
  peer: string,
  tls: boolean,
  trusted: readonly AddressRange[],
): Client {
  const caller = readAddress(peer) ?? "";
  if (!isWithin(caller, trusted)) return { address: caller, secure: tls };
  const seen = farthestSeen(headers, caller, trusted);
  const said = isWithin(seen, cloudflareRanges) ? readAddress(headers.get("cf-connecting-ip") ?? "") : null;
  const protocols = listOf(headers.get("x-forwarded-proto"));
  return {
    address: said ?? seen,
    secure: tls || (protocols.length > 0 && protocols.every((name) => name === "https")),
  };
}

import { type AddressRange, isWithin } from "../config/proxy-ranges.ts";

/** Who is really asking, and whether the way here was encrypted. */
export interface Client {
  readonly address: string;
  readonly secure: boolean;
}

const listOf = (header: string | null) =>
  (header ?? "")
    .split(",")
    .map((item) => item.trim())
    .filter(Boolean);

/**
 * Finds the client behind trusted proxies. Forwarded headers count only when the peer itself is trusted; the
 * address is the rightmost hop that is no proxy of ours, since anything further left may be made up.
 * @param peer address of the socket's other end
 * @param tls whether the socket itself is encrypted
 */
export function findClient(
  headers: Headers,
  peer: string,
  tls: boolean,
  trusted: readonly AddressRange[],
): Client {
  if (!isWithin(peer, trusted)) return { address: peer, secure: tls };
  const hops = listOf(headers.get("x-forwarded-for"));
  const address =
    headers.get("cf-connecting-ip") ?? hops.findLast((hop) => !isWithin(hop, trusted)) ?? hops[0] ?? peer;
  const protocols = listOf(headers.get("x-forwarded-proto"));
  return { address, secure: tls || (protocols.length > 0 && protocols.every((name) => name === "https")) };
}

import ipaddr from "ipaddr.js";

/**
 * Whom a request is counted for, in three widths: when there are too many of the first, the next one counts for all of
 * them together.
 */
export interface Countable {
  /** An IPv4 address; of IPv6 the /64 that a household has at least. Whoever has one has all of its addresses. */
  readonly own: string;
  /** The /48 of IPv6 that anybody can get; elsewhere the same as `own`. */
  readonly site: string;
  /** What belongs to one provider: an IPv4 /16, an IPv6 /32. */
  readonly region: string;
}

/** The networks that an address in canonical form lies in. Whatever has no address is one network. */
export function networkOf(address: string): Countable {
  if (address.includes(":")) {
    const [a, b, c, d] = ipaddr.IPv6.parse(address).parts.map((part) => part.toString(16));
    return { own: `${a}:${b}:${c}:${d}::/64`, site: `${a}:${b}:${c}::/48`, region: `${a}:${b}::/32` };
  }
  const own = address || "unknown";
  return { own, site: own, region: own.replace(/\.\d+\.\d+$/, ".0.0/16") };
}

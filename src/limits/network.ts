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

/** The part of an IPv6 address that a prefix of so many groups of 16 bits leaves. */
const prefix = (parts: readonly number[], groups: number) =>
  `${parts
    .slice(0, groups)
    .map((part) => part.toString(16))
    .join(":")}::/${groups * 16}`;

/** The networks that an address in canonical form lies in. Whatever has no address is one network. */
export function networkOf(address: string): Countable {
  if (!ipaddr.isValid(address)) return { own: "unknown", site: "unknown", region: "unknown" };
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv6) {
    const { parts } = parsed;
    return { own: prefix(parts, 4), site: prefix(parts, 3), region: prefix(parts, 2) };
  }
  const [first, second] = parsed.octets;
  return { own: address, site: address, region: `${first}.${second}.0.0/16` };
}

import ipaddr from "ipaddr.js";
import { z } from "zod";

/** An address range: a parsed address and the length of its prefix in bits. */
export type AddressRange = [ipaddr.IPv4 | ipaddr.IPv6, number];

const named: Record<string, readonly string[]> = {
  loopback: ["127.0.0.0/8", "::1/128"],
  private: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"],
  none: [],
};

/** Four numbers: of shorter forms, `10/8` would be read as 0.0.0.10/8, which nobody means. */
const fourNumbers = /^\d+(\.\d+){3}(\/\d+)?$/;

function readRange(item: string): AddressRange {
  if (!item.includes(":") && !fourNumbers.test(item)) throw new Error("neither IPv6 nor four numbers");
  if (item.includes("/")) return ipaddr.parseCIDR(item);
  const address = ipaddr.process(item);
  return [address, address.kind() === "ipv4" ? 32 : 128];
}

/** Reads a comma-separated list of addresses, CIDR ranges and the words `loopback`, `private` and `none`. */
export const readProxyRanges: z.ZodType<AddressRange[], string> = z.string().transform((value, context) => {
  const items = value.split(",").map((item) => item.trim().toLowerCase());
  try {
    return items
      .filter(Boolean)
      .flatMap((item) => named[item] ?? [item])
      .map(readRange);
  } catch {
    context.addIssue({
      code: "custom",
      message: "must list addresses, CIDR ranges, loopback, private or none",
    });
    return z.NEVER;
  }
});

/** Whether an address, as a socket or a header spells it, lies in one of the ranges. An unreadable one lies in none. */
export function isWithin(address: string, ranges: readonly AddressRange[]): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  return ranges.some(([base, bits]) => base.kind() === parsed.kind() && parsed.match(base, bits));
}

import ipaddr from "ipaddr.js";
import { z } from "zod";

/** An address range: a parsed address and the length of its prefix in bits. */
export type AddressRange = [ipaddr.IPv4 | ipaddr.IPv6, number];

/**
 * Where Cloudflare's servers call from. Source: https://www.cloudflare.com/ips/, unchanged since 2021. A range that is
 * missing here costs no safety: whoever comes through it is then counted together.
 */
const cloudflare: readonly string[] = [
  ...["173.245.48.0/20", "103.21.244.0/22", "103.22.200.0/22", "103.31.4.0/22", "141.101.64.0/18"],
  ...["108.162.192.0/18", "190.93.240.0/20", "188.114.96.0/20", "197.234.240.0/22", "198.41.128.0/17"],
  ...["162.158.0.0/15", "104.16.0.0/13", "104.24.0.0/14", "172.64.0.0/13", "131.0.72.0/22"],
  ...["2400:cb00::/32", "2606:4700::/32", "2803:f800::/32", "2405:b500::/32", "2405:8100::/32"],
  ...["2a06:98c0::/29", "2c0f:f248::/32"],
];

const named: Record<string, readonly string[]> = {
  cloudflare,
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

/** Cloudflare's servers, whether or not they are trusted as proxies. */
export const cloudflareRanges: readonly AddressRange[] = cloudflare.map(readRange);

/** Reads a list, separated by commas: addresses, CIDR ranges, `loopback`, `private`, `cloudflare` and `none`. */
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
      message: "must list addresses, CIDR ranges, loopback, private, cloudflare or none",
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

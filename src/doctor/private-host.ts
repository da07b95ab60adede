import { isIP } from "node:net";
import { isWithin, readProxyRanges } from "../config/proxy-ranges.ts";

const privateRanges = readProxyRanges.parse("loopback,private");

/** Names that no one resolves outside of a home or a machine (RFC 6761, RFC 6762, RFC 8375), and names of one word. */
const privateName = /(^|\.)(localhost|local|lan|internal|home\.arpa)$|^[^.]+$/i;

/** Whether a host of a URL is reachable from nearby only, as far as its name tells. */
export function isPrivateHost(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "");
  return isIP(bare) === 0 ? privateName.test(bare) : isWithin(bare, privateRanges);
}

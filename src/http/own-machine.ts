import ipaddr from "ipaddr.js";
import { type AddressRange, isWithin } from "../config/proxy-ranges.ts";

const loopback: readonly AddressRange[] = [
  [ipaddr.parse("127.0.0.0"), 8],
  [ipaddr.parse("::1"), 128],
];

/** What proxies and tunnels add to requests that they hand on. */
const ofProxies =
  /^(forwarded|via|x-forwarded-.*|x-real-ip|x-client-ip|x-original-.*|true-client-ip|cf-.*|cdn-.*)$/;

/** A browser that was led here by a name sends that name, and so does a proxy that says nothing else of itself. */
function namesThisMachine(host: string | null): boolean {
  const name = (host ?? "").replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  return name.toLowerCase() === "localhost" || isWithin(name, loopback);
}

/**
 * Whether a request comes from a program on this machine, past any proxy: over loopback, to an address of loopback,
 * and with no header that anything on the way would have added.
 * @param peer address of the socket's other end
 */
export function isFromOwnMachine(headers: Headers, peer: string): boolean {
  const passed = [...headers.keys()].some((name) => ofProxies.test(name));
  return isWithin(peer, loopback) && namesThisMachine(headers.get("host")) && !passed;
}

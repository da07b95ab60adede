import ipaddr from "ipaddr.js";

/** `[2001:db8::1]`, `[2001:db8::1]:443` */
const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/;
/** `192.0.2.1:443` */
const withPort = /^(\d+(?:\.\d+){3}):\d{1,5}$/;

/**
 * An address as a socket or a proxy spells it, in its one canonical form: without port, brackets and zone, IPv4 that is
 * mapped into IPv6 as IPv4. Two spellings of an address are one client.
 * @returns null for what is no address; neither are IPv4 addresses in hexadecimal, octal or fewer than four numbers
 */
export function readAddress(text: string): string | null {
  const spelled = bracketed.exec(text)?.[1] ?? withPort.exec(text)?.[1] ?? text;
  const bare = spelled.replace(/%.*$/, "");
  const isReadable = bare.includes(":") ? ipaddr.isValid(bare) : ipaddr.IPv4.isValidFourPartDecimal(bare);
  return isReadable ? ipaddr.process(bare).toString() : null;
}

import { describe, expect, test } from "bun:test";
import { readProxyRanges } from "../../src/config/proxy-ranges.ts";
import { readAddress } from "../../src/http/client-address.ts";
import { findClient } from "../../src/http/proxy.ts";

const usual = readProxyRanges.parse("loopback,private");
const find = (peer: string, headers: Record<string, string>, trusted = usual, tls = false) =>
  findClient(new Headers(headers), peer, tls, trusted);

describe("the client's address", () => {
  test.each([
    ["the peer, when nothing is forwarded", "203.0.113.9", {}, "203.0.113.9"],
    [
      "the peer, whatever a stranger forwards",
      "203.0.113.9",
      { "X-Forwarded-For": "198.51.100.1" },
      "203.0.113.9",
    ],
    ["the hop before a trusted peer", "127.0.0.1", { "X-Forwarded-For": "198.51.100.1" }, "198.51.100.1"],
    [
      "the rightmost hop that is no proxy of ours, not what the client made up",
      "10.0.0.1",
      { "X-Forwarded-For": "1.1.1.1, 198.51.100.1, 192.168.1.2, 127.0.0.1" },
      "198.51.100.1",
    ],
    ["of two strangers the right one", "::1", { "X-Forwarded-For": "1.1.1.1,198.51.100.1" }, "198.51.100.1"],
    [
      "the first hop, where all are ours",
      "127.0.0.1",
      { "X-Forwarded-For": "192.168.1.7, 10.0.0.2" },
      "192.168.1.7",
    ],
    ["an IPv6 hop", "::ffff:127.0.0.1", { "X-Forwarded-For": "2001:db8::1" }, "2001:db8::1"],
    [
      "the client of Cloudflare's tunnel, which sets both",
      "127.0.0.1",
      { "CF-Connecting-IP": "198.51.100.2", "X-Forwarded-For": "6.6.6.6, 198.51.100.2" },
      "198.51.100.2",
    ],
    [
      "what Cloudflare says, when its server called our proxy, which tells of nobody else",
      "127.0.0.1",
      { "CF-Connecting-IP": "198.51.100.2", "X-Forwarded-For": "172.68.1.1" },
      "198.51.100.2",
    ],
    [
      "what Cloudflare says, when our proxy adds its server to a list that may be made up",
      "10.0.0.1",
      { "CF-Connecting-IP": "2001:DB8::1", "X-Forwarded-For": "6.6.6.6, 2400:cb00::5" },
      "2001:db8::1",
    ],
    [
      "Cloudflare's server, when it says nothing that can be read",
      "127.0.0.1",
      { "CF-Connecting-IP": "6.6.6.6, 7.7.7.7", "X-Forwarded-For": "172.68.1.1" },
      "172.68.1.1",
    ],
    [
      "whom our proxy saw, when that one plays Cloudflare",
      "127.0.0.1",
      { "CF-Connecting-IP": "6.6.6.6", "X-Forwarded-For": "172.68.1.1, 198.51.100.2" },
      "198.51.100.2",
    ],
    [
      "the proxy, when it tells of nobody but hands on what a client made up",
      "127.0.0.1",
      { "CF-Connecting-IP": "6.6.6.6" },
      "127.0.0.1",
    ],
    [
      "the peer, when a stranger plays Cloudflare",
      "203.0.113.9",
      { "CF-Connecting-IP": "198.51.100.2" },
      "203.0.113.9",
    ],
    ["the peer, when the list is empty", "127.0.0.1", { "X-Forwarded-For": " , " }, "127.0.0.1"],
    [
      "the proxy, when it did not know who called it",
      "127.0.0.1",
      { "X-Forwarded-For": "6.6.6.6, unknown" },
      "127.0.0.1",
    ],
    [
      "the nearest of a list that never ends",
      "127.0.0.1",
      { "X-Forwarded-For": `6.6.6.6${", 10.0.0.9".repeat(500)}` },
      "10.0.0.9",
    ],
    ["nobody, when the socket does not say", "", { "X-Forwarded-For": "6.6.6.6" }, ""],
  ])("is %s", (_what, peer, headers, address) => {
    expect(find(peer, headers as Record<string, string>).address).toBe(address);
  });
});

describe("an address", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1"],
    ["192.0.2.1:443", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["[::FFFF:c000:201]:443", "192.0.2.1"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["[2001:db8::1]", "2001:db8::1"],
    ["[2001:db8::1]:65535", "2001:db8::1"],
    ["fe80::1%eth0", "fe80::1"],
    ["[fe80::1%25eth0]:80", "fe80::1"],
    ["192.0.2", null],
    ["3221225985", null],
    ["0xc0.0.2.1", null],
    ["192.0.02.1", null],
    ["192.0.2.256", null],
    ["2001:db8::1::2", null],
    ["[192.0.2.1", null],
    ["unknown", null],
    ["_hidden", null],
    ["", null],
    ["%", null],
    [":", null],
  ])("%p is %p", (spelled, address) => {
    expect(readAddress(spelled)).toBe(address);
  });
});

describe("whether the way was encrypted", () => {
  const proto = (value: string) => ({ "X-Forwarded-Proto": value });
  test.each([
    ["says so", "127.0.0.1", "https", true],
    ["says otherwise", "127.0.0.1", "http", false],
    ["says nothing", "127.0.0.1", "", false],
    ["is a stranger who says so", "203.0.113.9", "https", false],
    ["is one of several, all encrypted", "10.0.0.1", "https, https", true],
    ["had a hop in clear", "10.0.0.1", "http, https", false],
    ["says a word like it", "127.0.0.1", "httpsx", false],
  ])("a peer that %s", (_what, peer, value, secure) => {
    expect(find(peer, proto(value)).secure).toBe(secure);
  });

  test("is plain to see on a socket with TLS", () => {
    expect(find("203.0.113.9", {}, usual, true).secure).toBe(true);
  });

  test("nobody is believed where nobody is trusted", () => {
    const none = readProxyRanges.parse("none");
    expect(find("127.0.0.1", { ...proto("https"), "X-Forwarded-For": "1.1.1.1" }, none)).toEqual({
      address: "127.0.0.1",
      secure: false,
    });
  });

  test("an address range is trusted, and not its neighbour", () => {
    const range = readProxyRanges.parse("192.0.2.0/28, 2001:db8::/32, 198.51.100.7");
    for (const peer of ["192.0.2.15", "2001:db8:1::5", "198.51.100.7", "::ffff:192.0.2.1"]) {
      expect(find(peer, proto("https"), range).secure).toBe(true);
    }
    expect(find("104.28.0.1", proto("https"), readProxyRanges.parse("cloudflare")).secure).toBe(false);
    expect(find("104.27.0.1", proto("https"), readProxyRanges.parse("cloudflare")).secure).toBe(true);
    for (const peer of ["192.0.2.16", "2001:db9::", "198.51.100.8", "127.0.0.1", "", "unix"]) {
      expect(find(peer, proto("https"), range).secure).toBe(false);
    }
  });
});

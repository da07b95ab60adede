import { describe, expect, test } from "bun:test";
import { readProxyRanges } from "../../src/config/proxy-ranges.ts";
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
      "what Cloudflare says, through a trusted peer",
      "127.0.0.1",
      { "CF-Connecting-IP": "198.51.100.2" },
      "198.51.100.2",
    ],
    [
      "what Cloudflare says rather than a list",
      "127.0.0.1",
      { "CF-Connecting-IP": "198.51.100.2", "X-Forwarded-For": "1.1.1.1" },
      "198.51.100.2",
    ],
    [
      "the peer, when a stranger plays Cloudflare",
      "203.0.113.9",
      { "CF-Connecting-IP": "198.51.100.2" },
      "203.0.113.9",
    ],
    ["the peer, when the list is empty", "127.0.0.1", { "X-Forwarded-For": " , " }, "127.0.0.1"],
  ])("is %s", (_what, peer, headers, address) => {
    expect(find(peer, headers as Record<string, string>).address).toBe(address);
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
    for (const peer of ["192.0.2.16", "2001:db9::", "198.51.100.8", "127.0.0.1", "", "unix"]) {
      expect(find(peer, proto("https"), range).secure).toBe(false);
    }
  });
});

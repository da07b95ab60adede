import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { PublicAddress } from "../http/public-address.ts";
import { newKey } from "./object-key.ts";
import { linkSeconds, SignedUrls, signedText } from "./signed-urls.ts";

const address = new PublicAddress("https://trails.example.org/");
const startedAt = 1_700_000_000_500;
const build = (overrides: Partial<ConstructorParameters<typeof SignedUrls>[0]> = {}) =>
  new SignedUrls({ secret: Buffer.alloc(32, 7), address, now: () => startedAt, ...overrides });
const urls = build();
const key = newKey("originals");
const upload = newKey("uploads");
const got = () => urls.get(key, { mediaType: "image/jpeg", fileName: "größe & 'b'+1.jpg" });
const put = () => urls.put(upload, { mediaType: "image/heic", size: 1234 });

function expectForbidden(method: string, url: string | URL, by = urls): void {
  try {
    by.verify(method, new URL(url));
  } catch (error) {
    expect(error).toMatchObject({ code: "FORBIDDEN", status: 403 });
    return;
  }
  throw new Error(`${method} ${url} was let through`);
}

function changed(url: string, change: (url: URL) => void): URL {
  const copy = new URL(url);
  change(copy);
  return copy;
}

describe("a link", () => {
  test("to get is good for GET and HEAD alone", () => {
    const object = { key, mediaType: "image/jpeg", fileName: "größe & 'b'+1.jpg", size: null };
    expect(got()).toStartWith(`https://trails.example.org/storage/${key}?`);
    for (const method of ["GET", "HEAD"]) expect(urls.verify(method, new URL(got()))).toEqual(object);
    for (const method of ["PUT", "POST", "DELETE", "get", ""]) expectForbidden(method, got());
  });

  test("to put is good for PUT alone", () => {
    const object = { key: upload, mediaType: "image/heic", fileName: null, size: 1234 };
    expect(urls.verify("PUT", new URL(put()))).toEqual(object);
    for (const method of ["GET", "HEAD", "POST"]) expectForbidden(method, put());
  });

  test("is read wherever the request says that it came to", () => {
    const { pathname, search } = new URL(got());
    expect(urls.verify("GET", new URL(`http://attacker:1${pathname}${search}`))).toMatchObject({ key });
  });

  test("lasts 15 minutes", () => {
    const at = (seconds: number) => build({ now: () => startedAt + seconds * 1000 });
    for (const seconds of [0, 1, linkSeconds - 1, -59]) {
      expect(at(seconds).verify("GET", new URL(got()))).toMatchObject({ key });
    }
    for (const seconds of [linkSeconds, linkSeconds + 1, 1e9, -61, -1e9])
      expectForbidden("GET", got(), at(seconds));
  });

  test("to an export lasts for as long as is asked for, a week at most; nothing else does", () => {
    const week = 7 * 24 * 60 * 60;
    const at = (seconds: number) => build({ now: () => startedAt + seconds * 1000 });
    const saved = newKey("exports");
    const link = (to: string, seconds: number) =>
      urls.get(to, { mediaType: "application/zip", fileName: "x.zip", seconds });
    const lives = [
      [link(saved, 3600), 3600],
      [link(saved, week), week],
      [link(saved, 10 * week), week],
      [link(key, week), linkSeconds],
      [urls.get(saved, { mediaType: "application/zip", fileName: "x.zip" }), linkSeconds],
    ] as const;
    for (const [url, life] of lives) {
      expect(at(life - 1).verify("GET", new URL(url)).fileName).toBe("x.zip");
      expectForbidden("GET", url, at(life));
    }
    expectForbidden("GET", link(saved, week), at(-61));
    expectForbidden("PUT", link(saved, week));
  });

  test("of another secret is none", () => {
    expectForbidden(
      "GET",
      build({ secret: Buffer.alloc(32, 8) }).get(key, { mediaType: "a/b", fileName: "" }),
    );
  });

  test("keeps any name and type", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (fileName, mediaType) => {
        const url = new URL(urls.get(key, { mediaType, fileName }));
        expect(urls.verify("GET", url)).toEqual({ key, mediaType, fileName, size: null });
      }),
    );
    const torn = urls.get(key, { mediaType: "a/b", fileName: "\ud83d" });
    expect(urls.verify("GET", new URL(torn)).fileName).toBe("\ufffd");
  });
});

describe("whatever is altered is refused", () => {
  const links: [method: string, make: () => string][] = [
    ["GET", got],
    ["PUT", put],
  ];

  test.each(links)("every parameter: %s", (method, make) => {
    const { searchParams } = new URL(make());
    expect([...searchParams.keys()]).toHaveLength(4);
    for (const [name, value] of searchParams) {
      for (const other of [
        "",
        "0",
        "x",
        `${value} `,
        `${value}0`,
        ` ${value}`,
        `0${value}`,
        value.slice(1),
        value.slice(0, -1),
      ])
        expectForbidden(
          method,
          changed(make(), (url) => url.searchParams.set(name, other)),
        );
      expectForbidden(
        method,
        changed(make(), (url) => url.searchParams.delete(name)),
      );
      expectForbidden(
        method,
        changed(make(), (url) => url.searchParams.append(name, value)),
      );
      expectForbidden(
        method,
        changed(make(), (url) => url.searchParams.append(name, "x")),
      );
      expectForbidden(
        method,
        changed(make(), (url) => url.searchParams.append(name.toUpperCase(), value)),
      );
    }
    for (const name of ["size", "name", "more"])
      expectForbidden(
        method,
        changed(make(), (url) => url.searchParams.append(name, "1")),
      );
  });

  test.each(links)("every character of the signature: %s", (method, make) => {
    const url = new URL(make());
    const signature = url.searchParams.get("signature") ?? "";
    expect(signature).toHaveLength(43);
    for (let at = 0; at < signature.length; at++) {
      for (const other of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.ä") {
        if (other === signature[at]) continue;
        url.searchParams.set("signature", signature.slice(0, at) + other + signature.slice(at + 1));
        expectForbidden(method, url);
      }
    }
  });

  test("the key", () => {
    const other = newKey("originals");
    const paths = [
      `/storage/${other}`,
      `/storage/${upload}`,
      `/storage/${key}/`,
      `/storage//${key}`,
      `/${key}`,
      "/storage/",
    ];
    paths.push(
      `/storage/${key.replace("/", "%2F")}`,
      `/storage/${key}-512`,
      `/storage/x/${key}`,
      `/x/storage/${key}`,
    );
    for (const path of paths)
      expectForbidden(
        "GET",
        changed(got(), (url) => Object.assign(url, { pathname: path })),
      );
  });

  test("a key that is none is refused even if it was signed", () => {
    for (const text of ["originals/x", "", "etc/passwd", `originals/../${key}`]) {
      expectForbidden("GET", urls.get(text, { mediaType: "a/b", fileName: "c" }));
    }
  });
});

describe("two different links never have the same signed text", () => {
  const awkward = fc.constantFrom('"', "", ",", "null", "1", "a", "\\", "GET", "\n");

  test("drawn independently", () => {
    const object = fc.record({
      key: awkward,
      mediaType: awkward,
      fileName: fc.option(awkward),
      size: fc.option(fc.nat(2)),
    });
    const input = fc.tuple(fc.constantFrom("GET", "PUT"), fc.nat(1), object);
    fc.assert(
      fc.property(input, input, (one, two) => {
        expect(signedText(...one) === signedText(...two)).toBe(Bun.deepEquals(one, two));
      }),
      { numRuns: 3000 },
    );
  });

  test("made of the same text, cut in other places", () => {
    const cuts = fc.tuple(fc.nat(6), fc.nat(6)).map((at) => at.sort());
    fc.assert(
      fc.property(
        fc.array(awkward, { minLength: 6, maxLength: 6 }),
        fc.constantFrom("", ",", '","', "\n", "&"),
        cuts,
        cuts,
        (words, between, one, two) => {
          const texts = [one, two].map(([first, second]) => {
            const [key, mediaType, fileName] = [
              words.slice(0, first),
              words.slice(first, second),
              words.slice(second),
            ].map((list) => list.join(between)) as [string, string, string];
            return {
              fields: [key, mediaType, fileName],
              text: signedText("GET", 1, { key, mediaType, fileName, size: null }),
            };
          });
          expect(texts[0]?.text === texts[1]?.text).toBe(Bun.deepEquals(texts[0]?.fields, texts[1]?.fields));
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe("the public address", () => {
  test("is the configured one, with its path", () => {
    const bases = {
      "https://a.example": "https://a.example",
      "https://a.example:8443/trails//": "https://a.example:8443/trails",
    };
    for (const [configured, base] of Object.entries(bases)) {
      const found = new PublicAddress(configured);
      found.listening("http://127.0.0.1:5");
      expect(found.base).toBe(base);
    }
    const prefixed = build({ address: new PublicAddress("https://a.example/trails/") });
    const url = prefixed.get(key, { mediaType: "a/b", fileName: "c" });
    expect(url).toStartWith(`https://a.example/trails/storage/${key}?`);
    // The proxy takes its path away again.
    expect(prefixed.verify("GET", new URL(url.replace("/trails", "")))).toMatchObject({ key });
  });

  test("is else the one that the server listens on", () => {
    const addresses = {
      "http://127.0.0.1:8080/": "http://127.0.0.1:8080",
      "http://0.0.0.0:8080": "http://localhost:8080",
      "https://[::]:8443/": "https://localhost:8443",
      "http://[::1]:80/": "http://[::1]",
    };
    for (const [listening, base] of Object.entries(addresses)) {
      const found = new PublicAddress(undefined);
      expect(() => found.base).toThrow("does not listen");
      found.listening(listening);
      expect(found.base).toBe(base);
    }
  });
});

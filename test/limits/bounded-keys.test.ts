import { describe, expect, test } from "bun:test";
import { BoundedKeys } from "../../src/limits/bounded-keys.ts";
import { Counters } from "../../src/limits/counters.ts";
import { FamiliarPlaces } from "../../src/limits/familiar-places.ts";
import { Limit } from "../../src/limits/limit.ts";
import { type Countable, networkOf } from "../../src/limits/network.ts";
import { createLog } from "../../src/log.ts";

const silent = createLog({ level: "silent", format: "json", destination: { write() {} } });
const million = 1_000_000;
const hex = (value: number) => value.toString(16);

/** A network as a number makes it up. Reading a million addresses would take longer than what is tested here. */
const madeUp6 = (index: number): Countable => {
  const region = `2${hex(index % 4096)}:${hex(index >> 12)}::/32`;
  return { own: `${region} ${index}`, site: `${region} site ${index}`, region };
};
const madeUp4 = (index: number): Countable => {
  const region = `${index & 127}.${(index >> 7) & 255}.0.0/16`;
  return { own: `${region} ${index}`, site: `${region} ${index}`, region };
};
/** One who has a /48, which anybody can have. */
const ofOneSite = (index: number): Countable => ({
  own: `2001:db8:1:${hex(index)}::/64`,
  site: "2001:db8:1::/48",
  region: "2001:db8::/32",
});
const network = (own: string, region = own): Countable => ({ own, site: own, region });

describe("a network", () => {
  test.each([
    ["192.0.2.7", "192.0.2.7", "192.0.2.7", "192.0.0.0/16"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48", "2001:db8::/32"],
    ["2001:db8:1:2::", "2001:db8:1:2::/64", "2001:db8:1::/48", "2001:db8::/32"],
    ["", "unknown", "unknown", "unknown"],
  ])("of %p", (address, own, site, region) => {
    expect(networkOf(address)).toEqual({ own, site, region });
  });
});

describe("keys", () => {
  const keysOf = (networkAt: (index: number) => Countable, count = million) => {
    const keys = new BoundedKeys({ seconds: 60 });
    const given = new Map<string, number>();
    for (let index = 0; index < count; index++) {
      const key = keys.keyOf(networkAt(index));
      given.set(key, (given.get(key) ?? 0) + 1);
    }
    return given;
  };

  test.each([
    [million, "IPv6 networks", madeUp6],
    [100_000, "IPv4 addresses", madeUp4],
  ])("of %p made-up %s are bounded, and the rest is spread", (count, _what, networkAt) => {
    const given = keysOf(networkAt, count);
    const shared = [...given].filter(([key]) => key.startsWith("shared"));
    expect(given.size - shared.length).toBe(10_000);
    expect(shared.length).toBe(1_024);
    expect(Math.max(...shared.map(([, count]) => count))).toBeLessThan(count / 20);
  });

  test("of one site are few, however many networks it has", () => {
    const given = keysOf(ofOneSite, 100_000);
    expect(given.size).toBe(17);
    expect(given.has("2001:db8:1::/48")).toBe(true);
  });

  test("stay whose they are while others flood, until the window is over", () => {
    let now = 0;
    const keys = new BoundedKeys({ seconds: 60, now: () => now });
    const [owner, late] = [network("owner"), network("late")];
    expect(keys.keyOf(owner)).toBe("owner");
    for (let index = 0; index < 20_000; index++) keys.keyOf(madeUp6(index));
    expect(keys.keyOf(owner)).toBe("owner");
    expect(keys.keyOf(late)).toStartWith("shared ");
    now = 59_999;
    expect(keys.keyOf(late)).toStartWith("shared ");
    now = 60_000;
    expect(keys.keyOf(late)).toBe("late");
  });

  test("of a flood from one region are shared there, and not with the owner's", () => {
    const keys = new BoundedKeys({ seconds: 60 });
    const flood = new Set<string>();
    for (let index = 0; index < 100_000; index++) flood.add(keys.keyOf(network(`${index}`, "flooded")));
    expect([...flood].filter((key) => key.startsWith("shared"))).toHaveLength(1);
    // One of 1,024 regions has the bad luck: of a hundred owners nearly all are on their own.
    const owners = Array.from({ length: 100 }, (_, index) => keys.keyOf(network(`owner ${index}`)));
    expect(owners.filter((key) => flood.has(key)).length).toBeLessThan(10);
  });
});

describe("a limit", () => {
  const limitOf = () => new Limit(new Counters(undefined, silent), "test", { requests: 5, seconds: 60 });
  const letThrough = async (limit: Limit, networkAt: (index: number) => Countable, requests: number) => {
    let through = 0;
    for (let index = 0; index < requests; index++) {
      const { standing } = await limit.ofAddress(networkAt(index));
      if (!standing.exceeded) through++;
    }
    return through;
  };

  test("is not evaded by all the networks of one site, and holds 17 counts of them", async () => {
    const limit = limitOf();
    expect(await letThrough(limit, ofOneSite, 100_000)).toBe(16 + 5);
    expect(limit.size).toBe(17);
  });

  test("holds so many counts and no more, whatever is made up", async () => {
    const limit = limitOf();
    expect(await letThrough(limit, madeUp6, 100_000)).toBeLessThanOrEqual(10_000 + 1_024 * 5);
    expect(limit.size).toBeLessThanOrEqual(11_024);
  });
});

test("familiar places are bounded: the latest of each account, and the accounts that were seen last", () => {
  const familiar = new FamiliarPlaces();
  for (let index = 0; index < 100; index++) familiar.note("ada", `place ${index}`);
  familiar.note("ada", "place 85");
  familiar.note("ada", "place 100");
  expect(familiar.has("ada", "place 100")).toBe(true);
  expect(familiar.has("ada", "place 85")).toBe(true);
  expect(familiar.has("ada", "place 80")).toBe(false);
  expect(familiar.has("ben", "place 100")).toBe(false);
  for (let index = 0; index < 5_000; index++) familiar.note(`account ${index}`, "home");
  expect(familiar.has("ada", "place 100")).toBe(false);
  expect(familiar.has("account 0", "home")).toBe(true);
});

import { afterEach, beforeEach, describe, expect, setSystemTime, test } from "bun:test";
import type { AppError } from "../../src/errors.ts";
import { Counters } from "../../src/limits/counters.ts";
import { FamiliarPlaces } from "../../src/limits/familiar-places.ts";
import { type KnownAccount, SignInBrake } from "../../src/limits/sign-in-brake.ts";
import { createLog } from "../../src/log.ts";

const silent = createLog({ level: "silent", format: "json", destination: { write() {} } });
const start = Date.UTC(2026, 0, 1);
let seconds = 0;
function wait(more: number): void {
  seconds += more;
  setSystemTime(new Date(start + seconds * 1000));
}
beforeEach(() => {
  seconds = 0;
  wait(0);
});
afterEach(() => {
  setSystemTime();
});

const ada = "ada@example.org";
const adasDevice = "11111111-1111-4111-8111-111111111111";
const account: KnownAccount = { userId: "ada", hasDevice: false };

interface Way {
  email?: string;
  deviceId?: string;
  address?: string;
}

/** A brake, and attempts at it: 0 for one that is let in, else the seconds to wait. */
function brakeOf({ isOn = true } = {}) {
  const familiar = new FamiliarPlaces();
  const secret = async () => new Uint8Array(32);
  const brake = new SignInBrake({ counters: new Counters(undefined, silent), familiar, secret, isOn });
  let asked = 0;
  const find = (email: string, deviceId: string) => async () => {
    asked++;
    return email.trim().toLowerCase() === ada
      ? { ...account, hasDevice: deviceId === adasDevice }
      : undefined;
  };
  async function attempt({
    email = ada,
    deviceId = crypto.randomUUID(),
    address = "198.51.100.1",
  }: Way = {}) {
    try {
      await brake.attempt({ email, deviceId, address }, find(email, deviceId));
      return 0;
    } catch (error) {
      const { code, extras } = error as AppError;
      expect(code).toBe("RATE_LIMIT_EXCEEDED");
      return Number(extras.headers?.["Retry-After"]);
    }
  }
  /** Somebody guesses from so many addresses, one guess each. */
  async function attack(email = ada, guesses = 10) {
    const waits = [];
    for (let guess = 0; guess < guesses; guess++)
      waits.push(await attempt({ email, address: `203.0.${guess >> 8}.${guess & 255}` }));
    return waits;
  }
  return { brake, familiar, attempt, attack, asked: () => asked };
}

describe("strangers", () => {
  test("are let in ten times, from wherever; then each has to come back after a pause", async () => {
    const { attempt, attack, asked } = brakeOf();
    expect(await attack()).toEqual(Array(10).fill(0));
    expect(asked()).toBe(0);
    expect(await attempt()).toBe(15);
    wait(14);
    expect(await attempt()).toBe(1);
    wait(1);
    expect(await attempt()).toBe(0);
  });

  test("wait longer after each attempt, but never for more than four minutes", async () => {
    const { attempt, attack } = brakeOf();
    await attack();
    const waits = [await attempt()];
    while (seconds < 850) {
      wait(waits.at(-1) ?? 0);
      expect(await attempt()).toBe(0);
      waits.push(await attempt());
    }
    expect(waits.slice(0, 7)).toEqual([15, 30, 60, 120, 240, 240, 240]);
  });

  test("have an attempt a pause, however many of theirs come at once", async () => {
    const { attempt, attack } = brakeOf();
    await attack();
    await attempt();
    wait(15);
    const waits = await Promise.all(Array.from({ length: 20 }, () => attempt()));
    expect(waits.filter((seconds) => seconds === 0)).toHaveLength(1);
  });

  test("with an address for each guess guess nothing more", async () => {
    const { attack } = brakeOf();
    expect((await attack(ada, 1000)).filter((seconds) => seconds === 0)).toHaveLength(10);
  });

  test("are strangers whatever they make up: devices, spellings of the email, addresses of their network", async () => {
    const { attempt, attack } = brakeOf();
    await attack();
    const address = "2001:db8:1:2::1";
    expect(await attempt({ address })).toBe(15);
    expect(await attempt({ address: "2001:db8:1:2:ffff::1", email: ` ${ada.toUpperCase()} ` })).toBe(15);
    // A database may take a capital i with a dot for an i.
    const dotted = "\u0130da@example.org";
    await attack(dotted);
    expect(await attempt({ email: "Id\u0130@example.org" })).toBe(15);
    // The Kelvin sign is a k in lower case.
    await attack("k@example.org");
    expect(await attempt({ email: "\u212a@example.org" })).toBe(15);
  });

  test("hear the same of an email without an account, after the same questions", async () => {
    const [known, unknown] = [brakeOf(), brakeOf()];
    const nobody = "nobody@example.org";
    expect(await unknown.attack(nobody, 30)).toEqual(await known.attack(ada, 30));
    expect(unknown.asked()).toBe(known.asked());
    expect(await unknown.attempt({ email: nobody })).toBe(await known.attempt());
  });

  test("are forgotten after a quarter of an hour", async () => {
    const { attempt, attack } = brakeOf();
    await attack();
    wait(899);
    expect(await attempt()).toBe(15);
    wait(1);
    expect(await attempt({ address: "198.51.100.2" })).toBe(0);
  });
});

describe("the owner", () => {
  test("is let in on a device of theirs, from anywhere, while strangers guess", async () => {
    const { attempt, attack } = brakeOf();
    await attack(ada, 100);
    for (let time = 0; time < 20; time++)
      expect(await attempt({ deviceId: adasDevice, address: `192.0.2.${time}` })).toBe(0);
  });

  test("is let in on a new phone where another of theirs is signed in", async () => {
    const { attempt, attack, familiar } = brakeOf();
    await attack(ada, 100);
    familiar.note("ada", "192.0.2.9");
    expect(await attempt({ address: "192.0.2.9" })).toBe(0);
    familiar.note("ben", "192.0.2.10");
    expect(await attempt({ address: "192.0.2.10" })).toBe(15);
  });

  test("is let in on a new phone in a new place after a quarter of a minute, whatever strangers do meanwhile", async () => {
    const { attempt, attack } = brakeOf();
    await attack(ada, 500);
    expect(await attempt()).toBe(15);
    wait(10);
    await attack(ada, 500);
    wait(5);
    await attack(ada, 500);
    expect(await attempt()).toBe(0);
  });

  test("takes nothing from the ten by signing in well", async () => {
    const { attempt, attack, brake } = brakeOf();
    const way = { email: ada, deviceId: adasDevice, address: "192.0.2.1" };
    for (let time = 0; time < 30; time++) await (await brake.attempt(way, async () => account))();
    expect(await attack()).toEqual(Array(10).fill(0));
    expect(await attempt()).toBe(15);
  });

  test("has a device whose id got about: after twenty attempts it is a stranger's, and no more is lost", async () => {
    const { attempt, attack } = brakeOf();
    await attack();
    const stolen = (address: string) => attempt({ deviceId: adasDevice, address });
    for (let time = 0; time < 20; time++) expect(await stolen(`192.0.2.${time}`)).toBe(0);
    expect(await stolen("192.0.2.99")).toBe(15);
    wait(15);
    expect(await stolen("192.0.2.99")).toBe(0);
  });
});

test("memory is bounded, whatever emails and addresses are made up", async () => {
  const { attempt, brake } = brakeOf();
  for (let index = 0; index < 30_000; index++) await attempt({ email: `${index}@example.org` });
  for (let index = 0; index < 30_000; index++) {
    await attempt({ address: `2001:${(index & 0xfff).toString(16)}:${index >> 12}:1::1` });
  }
  expect(brake.size).toBeLessThanOrEqual(3 * 11_024);
});

test("where limits are off, there is no brake", async () => {
  const { attack } = brakeOf({ isOn: false });
  expect(new Set(await attack(ada, 50))).toEqual(new Set([0]));
});

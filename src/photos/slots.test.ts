import { expect, test } from "bun:test";
import { Slots } from "./slots.ts";

/** Work that starts when it is let in, and ends when it is told to. */
function work(slots: Slots, name: string, places: number, started: string[], urgent = true) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const ended = slots.run(places, urgent, async () => {
    started.push(name);
    await promise;
  });
  return { end: () => resolve(), ended };
}

test("as much as there are places, a large piece alone, and nothing passes it", async () => {
  const slots = new Slots(2);
  const started: string[] = [];
  const [a, b, large, c] = [
    work(slots, "a", 1, started),
    work(slots, "b", 1, started),
    work(slots, "large", 2, started),
    work(slots, "c", 1, started),
  ];
  await Bun.sleep(1);
  expect(started).toEqual(["a", "b"]);
  a.end();
  await a.ended;
  expect(started).toEqual(["a", "b"]);
  b.end();
  await Bun.sleep(1);
  expect(started).toEqual(["a", "b", "large"]);
  large.end();
  await Bun.sleep(1);
  expect(started).toEqual(["a", "b", "large", "c"]);
  c.end();
  await c.ended;
});

test("what somebody waits for goes first, in its own order", async () => {
  const slots = new Slots(1);
  const started: string[] = [];
  const all = ["first", "later", "urgent", "urgent too"].map((name) =>
    work(slots, name, 1, started, name.startsWith("urgent")),
  );
  for (const one of all) one.end();
  await Promise.all(all.map(({ ended }) => ended));
  expect(started).toEqual(["first", "urgent", "urgent too", "later"]);
});

test("a place is free after a failure", async () => {
  const slots = new Slots(1);
  const failing = slots.run(1, true, async () => {
    throw new Error("too long");
  });
  await expect(failing).rejects.toThrow("too long");
  expect(await slots.run(1, true, async () => "let in")).toBe("let in");
});

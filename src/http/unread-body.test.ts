import { expect, test } from "bun:test";
import { patienceFor, UnreadBodies } from "./unread-body.ts";

/** A body whose reader never hears of anything any more, not even that it was cancelled. No runtime should make one. */
const deaf = {
  locked: false,
  getReader: () => ({ read: () => new Promise(() => {}), cancel: () => new Promise(() => {}) }),
};

test("an answer does not wait for a read that the runtime does not end", async () => {
  const unread = new UnreadBodies({ ...patienceFor(1000), pause: 20 });
  const request = { body: deaf, headers: new Headers() } as unknown as Request;
  expect(await unread.readAway(request)).toBe(true);
  const stopped = unread.readAway(request);
  unread.stop();
  expect(await stopped).toBe(false);
});

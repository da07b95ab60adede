import { afterEach, describe, expect, test } from "bun:test";
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  utimesSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tryLockExclusively } from "../../src/database/embedded/libc.ts";
import { keepRuntime } from "../../src/database/embedded/runtime-place.ts";
import { removeAbandoned, removeFormerRuntimes } from "../../src/database/embedded/runtime-sweep.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

function newPlace(): string {
  const place = mkdtempSync(join(tmpdir(), "trailglass-place-"));
  cleanups.push(() => rmSync(place, { recursive: true, force: true }));
  return place;
}

/** A folder of two minutes ago. */
function oldFolder(place: string, name: string): string {
  const folder = join(place, name);
  mkdirSync(folder);
  const then = Date.now() / 1000 - 120;
  utimesSync(folder, then, then);
  return folder;
}

describe("what died while it unpacked", () => {
  test("is removed, but not what somebody is at work in", () => {
    const place = newPlace();
    const dead = oldFolder(place, ".18.4-x64-dead");
    const fd = openSync(oldFolder(place, ".18.4-x64-busy"), "r");
    cleanups.push(() => closeSync(fd));
    expect(tryLockExclusively(fd)).toBe(true);
    mkdirSync(join(place, ".18.4-x64-begun"));
    removeAbandoned(place);
    expect(readdirSync(place).sort()).toEqual([".18.4-x64-begun", ".18.4-x64-busy"]);
    expect(existsSync(dead)).toBe(false);
  });
});

describe("programs of earlier versions", () => {
  test("are removed, but not those in use, nor what is none", async () => {
    const place = newPlace();
    for (const name of ["17.9.0-x64-aa", "18.3.0-beta.1-x64", "18.4.0-x64-bb", "notes"])
      mkdirSync(join(place, name, "bin"), { recursive: true });
    const sleeper = join(place, "18.3.0-beta.1-x64/bin/sleep");
    cpSync("/bin/sleep", sleeper);
    const running = Bun.spawn([sleeper, "60"]);
    removeFormerRuntimes(place, join(place, "18.4.0-x64-bb/bin"));
    expect(readdirSync(place).sort()).toEqual(["18.3.0-beta.1-x64", "18.4.0-x64-bb", "notes"]);
    running.kill("SIGKILL");
    await running.exited;
    removeFormerRuntimes(place, join(place, "18.4.0-x64-bb/bin"));
    expect(readdirSync(place).sort()).toEqual(["18.4.0-x64-bb", "notes"]);
  });
});

describe("several that unpack at once", () => {
  test("all get the same whole folder", async () => {
    const target = join(newPlace(), "runtime/18.4.0-x64");
    const fill = async (folder: string) => {
      await Bun.write(join(folder, "bin/one"), "1");
      await Bun.sleep(20);
      await Bun.write(join(folder, "bin/two"), "2");
    };
    const kept = await Promise.all([1, 2, 3].map(() => keepRuntime(target, fill)));
    expect(kept).toEqual([{ folder: target }, { folder: target }, { folder: target }]);
    expect(readdirSync(join(target, "bin")).sort()).toEqual(["one", "two"]);
    expect(readdirSync(join(target, ".."))).toEqual(["18.4.0-x64"]);
  });

  test("a failure leaves nothing, and is told", async () => {
    const target = join(newPlace(), "runtime/18.4.0-x64");
    const fill = () => Promise.reject(new Error("the disk is gone"));
    expect(await keepRuntime(target, fill)).toEqual({ problem: "the disk is gone" });
    expect(readdirSync(join(target, ".."))).toEqual([]);
  });
});

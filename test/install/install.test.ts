import { afterEach, describe, expect, test } from "bun:test";
import { appendFileSync, existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Machine } from "./machine.ts";

const installer = join(import.meta.dir, "../../install.sh");
const machines: Machine[] = [];
function machine(options: ConstructorParameters<typeof Machine>[0] = {}): Machine {
  const made = new Machine(options);
  machines.push(made);
  return made;
}
afterEach(async () => {
  await Promise.all(machines.splice(0).map((made) => made.remove()));
});

/** A machine on which version 1.0.0 is set up and runs. */
async function running(options: ConstructorParameters<typeof Machine>[0] = {}): Promise<Machine> {
  const made = await machine(options).withRunning("1.0.0");
  if (options.systemd ?? true) await until(() => made.running() === "1.0.0");
  return made;
}

async function until(what: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!what()) {
    if (Date.now() > deadline) throw new Error("not within 30 s");
    await Bun.sleep(20);
  }
}

const bin = (made: Machine) => readdirSync(made.path("usr/local/bin")).sort();
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);
const has = (program: string[]) => Bun.which(program[0] as string) !== null;

test.skipIf(!has(["shellcheck"]))("shellcheck has nothing to say", () => {
  const { exitCode, stdout } = Bun.spawnSync(["shellcheck", "--shell=sh", installer]);
  expect(stdout.toString()).toBe("");
  expect(exitCode).toBe(0);
});

describe("a new machine", () => {
  test("gets program and folders, and is set up with what follows the dashes", async () => {
    const made = machine();
    const outcome = await made.install([
      "--from",
      made.release("1.0.0"),
      "--yes",
      "--",
      "--public-url",
      "https://a b.example",
    ]);
    expect([outcome.code, outcome.err]).toEqual([0, ""]);
    expect(bin(made)).toEqual(["trailglass"]);
    expect(modeOf(made.program)).toBe("755");
    expect([modeOf(made.path("etc/trailglass")), modeOf(made.path("var/lib/trailglass"))]).toEqual([
      "750",
      "700",
    ]);
    expect(made.read("setup")).toBe(
      `setup --config ${made.path("etc/trailglass/trailglass.env")} --yes --public-url https://a b.example`,
    );
    await until(() => made.running() === "1.0.0");
  });

  test("is not set up without a terminal unless --yes says so", async () => {
    const made = machine();
    const outcome = await made.install(["--from", made.release("1.0.0")]);
    expect(outcome).toMatchObject({ code: 0, out: expect.stringContaining("sudo trailglass setup") });
    expect(made.read("setup")).toBeNull();
  });

  test.each([
    ["x86_64", "sse4_2 avx avx2 bmi2", "linux-x64"],
    ["x86_64", "sse4_2 avx avx2x", "linux-x64-baseline"],
    ["aarch64", "", "linux-arm64"],
  ])("takes its own release: %s with %s", async (architecture, cpuFlags, name) => {
    const made = machine({ architecture, cpuFlags });
    expect((await made.install(["--from", made.release("1.0.0")])).code).toBe(0);
    expect(made.read("usr/local/bin/trailglass")).toContain(`# trailglass-${name}\n`);
  });

  test.each([
    ["riscv64", "glibc", "there is no release for riscv64"],
    ["armv7l", "glibc", "there is no release for armv7l"],
    ["x86_64", "musl", "musl in place of glibc"],
  ] as const)("of another kind is refused: %s, %s", async (architecture, libc, message) => {
    const made = machine({ architecture, libc });
    const outcome = await made.install(["--from", made.release("1.0.0"), "--yes"]);
    expect(outcome).toMatchObject({ code: 1, err: expect.stringContaining(message) });
    expect(existsSync(made.path("usr"))).toBe(false);
  });

  const shells = [["dash"], ["busybox", "sh"], ["bash", "--posix"]].filter(has);
  test.each(shells)("whose shell is %s", async (...shell) => {
    const made = machine({ shell: [Bun.which(shell[0] as string) as string, ...shell.slice(1)] });
    expect(await made.install(["--from", made.release("1.0.0"), "--yes"])).toMatchObject({
      code: 0,
      err: "",
    });
    await until(() => made.running() === "1.0.0");
    expect(await made.install(["--from", made.release("1.1.0")])).toMatchObject({ code: 0, err: "" });
    expect(made.running()).toBe("1.1.0");
  });
});

describe("a release file", () => {
  async function refused(made: Machine, args: string[], code: number, message: string): Promise<void> {
    expect(await made.install(args)).toMatchObject({ code, err: expect.stringContaining(message) });
    expect(await made.version()).toBe("1.0.0");
    expect(made.running()).toBe("1.0.0");
    expect(bin(made)).toEqual(["trailglass"]);
  }

  test("that is damaged changes nothing", async () => {
    const made = await running();
    const folder = made.release("1.1.0");
    appendFileSync(join(folder, "trailglass-linux-x64"), "\n");
    await refused(made, ["--from", folder], 1, "the checksum of");
    await refused(made, ["--from", folder, "--sha256", "0".repeat(64)], 1, "the checksum of");
  });

  test("that cannot be checked is not taken", async () => {
    const made = await running();
    const folder = made.release("1.1.0");
    const other = join(folder, "other");
    writeFileSync(other, "#!/bin/sh\n");
    await refused(made, ["--from", other], 1, "does not name other");
    made.without("sha256sum");
    await refused(made, ["--from", folder], 69, "neither sha256sum nor shasum");
  });

  test("without a list of checksums needs one by hand", async () => {
    const made = await running();
    const lone = made.path("lone");
    const text = await Bun.file(join(made.release("1.1.0"), "trailglass-linux-x64")).text();
    writeFileSync(lone, text);
    await refused(made, ["--from", lone], 69, "give its --sha256");
    const sum = new Bun.CryptoHasher("sha256").update(text).digest("hex").toUpperCase();
    expect(await made.install(["--from", lone, "--sha256", sum])).toMatchObject({ code: 0 });
    expect(made.running()).toBe("1.1.0");
  });

  test("over plain HTTP is not taken on the word of whoever sent it", async () => {
    await refused(await running(), ["--from", "http://127.0.0.1:9/trailglass"], 1, "use https://");
  });

  test("that does not run here changes nothing", async () => {
    const made = await running();
    const folder = made.release("1.1.0");
    const text = "#!/no/such/loader\n";
    writeFileSync(join(folder, "trailglass-linux-x64"), text);
    const sum = new Bun.CryptoHasher("sha256").update(text).digest("hex");
    await refused(made, ["--from", folder, "--sha256", sum], 1, "does not run on this machine");
  });

  test.each(["curl", "wget"].filter((name) => has([name])))("is downloaded with %s", async (name) => {
    const made = machine();
    const folder = made.release("1.0.0");
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: ({ url }) => new Response(Bun.file(join(folder, new URL(url).pathname))),
    });
    try {
      made.tool(name, `#!/bin/sh\nexec ${Bun.which(name)} "$@"\n`);
      const [sum = ""] = (made.read("release-1.0.0/SHA256SUMS") ?? "").split(" ");
      const from = `http://127.0.0.1:${server.port}/trailglass-linux-x64`;
      expect(await made.install(["--from", from, "--sha256", sum])).toMatchObject({ code: 0, err: "" });
      expect(await made.version()).toBe("1.0.0");
    } finally {
      await server.stop(true);
    }
  });
});

test("a wrong command line tells what is wrong, and touches nothing", async () => {
  const made = machine();
  for (const [args, message] of [
    [["--form", "x"], "there is no option --form"],
    [["--from"], "--from needs a value"],
    [["--sha256", "abc"], "64 hexadecimal digits"],
    [["--health-wait", "long"], "whole seconds"],
    [["--purge"], "--purge goes with --uninstall"],
    [["--service-stop", "true"], "go together"],
  ] as const)
    expect(await made.install([...args])).toMatchObject({ code: 64, err: expect.stringContaining(message) });
  expect(existsSync(made.path("usr"))).toBe(false);
});

describe("an upgrade", () => {
  test("makes a backup with the old program, keeps it, and leaves a healthy server", async () => {
    const made = await running();
    const outcome = await made.install(["--from", made.release("1.1.0", { schema: 2 })]);
    expect([outcome.code, outcome.err]).toEqual([0, ""]);
    expect(made.running()).toBe("1.1.0");
    expect(bin(made)).toEqual(["trailglass", "trailglass.previous"]);
    expect(await made.version(`${made.program}.previous`)).toBe("1.0.0");
    const calls = (made.read("calls") ?? "").split("\n");
    const order = ["1.0.0 backup create --json", "systemctl stop trailglass.service", "1.1.0 serve"];
    expect(calls.filter((call) => order.includes(call))).toEqual([
      "1.0.0 backup create --json",
      "systemctl stop trailglass.service",
      "1.0.0 backup create --json",
      "1.1.0 serve",
    ]);
  });

  test("to what is there does nothing, unless told to", async () => {
    const made = await running();
    const before = statSync(made.program).ino;
    const again = await made.install(["--from", made.release("1.0.0")]);
    expect(again).toMatchObject({ code: 0, out: expect.stringContaining("1.0.0 is installed already") });
    expect(statSync(made.program).ino).toBe(before);
    expect((await made.install(["--from", made.release("1.0.0"), "--force"])).code).toBe(0);
    expect(statSync(made.program).ino).not.toBe(before);
  });

  test("backwards is refused, unless told to", async () => {
    const made = await running();
    for (const older of ["0.9.12", "1.0.0-rc.2"])
      expect(await made.install(["--from", made.release(older)])).toMatchObject({
        code: 1,
        err: expect.stringContaining(`is newer than ${older}`),
      });
    expect(made.running()).toBe("1.0.0");
    expect((await made.install(["--from", made.release("0.9.12"), "--force"])).code).toBe(0);
    expect(made.running()).toBe("0.9.12");
    expect((await made.install(["--from", made.release("0.10.0")])).code).toBe(0);
  });

  test("without a backup is not begun", async () => {
    const made = await running();
    const folder = made.release("1.0.1", { backups: "fail" });
    expect((await made.install(["--from", folder])).code).toBe(0);
    const refused = await made.install(["--from", made.release("1.1.0")]);
    expect(refused).toMatchObject({ code: 69, err: expect.stringContaining("no backup could be made") });
    expect(made.running()).toBe("1.0.1");
    expect((await made.install(["--from", made.release("1.1.0"), "--no-backup"])).code).toBe(0);
    expect(made.running()).toBe("1.1.0");
  });

  test("goes on with a backup that lacks what cannot be had, and says so", async () => {
    const made = await running();
    expect((await made.install(["--from", made.release("1.0.1", { backups: "lacking" })])).code).toBe(0);
    const outcome = await made.install(["--from", made.release("1.1.0")]);
    expect(outcome).toMatchObject({ code: 0, err: expect.stringContaining("cannot be read") });
    expect(made.running()).toBe("1.1.0");
  });

  test("to a version that is not healthy goes back to the old one", async () => {
    const made = await running();
    const bad = made.release("1.1.0", { healthy: false });
    const outcome = await made.install(["--from", bad, "--health-wait", "1"]);
    expect(outcome).toMatchObject({
      code: 1,
      err: expect.stringContaining("so version 1.0.0 is back and running"),
    });
    expect([await made.version(), made.running()]).toEqual(["1.0.0", "1.0.0"]);
    // The database was as the old program knows it: what was written since stays.
    expect(made.read("calls")).not.toContain("restore");
    expect(made.read("var/lib/trailglass/journal")).toContain("touched by 1.1.0");
  });

  test("that changed the database goes back with it, and loses nothing from before", async () => {
    const made = await running();
    const bad = made.release("1.1.0", { healthy: false, schema: 2 });
    const outcome = await made.install(["--from", bad, "--health-wait", "1"]);
    expect(outcome).toMatchObject({
      code: 1,
      err: expect.stringContaining("version 1.0.0, with its database as it was before the upgrade, is back"),
    });
    expect(made.running()).toBe("1.0.0");
    expect(made.read("var/lib/trailglass/schema")).toBe("1");
    // The second backup, from after the stop.
    expect(made.read("calls")).toMatch(/^1\.0\.0 restore --replace --yes 2026-11-22T10-00-01Z$/m);
  });

  test.each([
    ["has no backup to go back to", { restores: true }, ["--no-backup"], "there is no backup of before"],
    ["whose backup cannot be restored", { restores: false }, [], "could not be restored"],
  ])("that changed the database and %s stays, and says so", async (_, behaviour, args, message) => {
    const made = await machine().withRunning("1.0.0", behaviour);
    const bad = made.release("1.1.0", { healthy: false, schema: 2 });
    const outcome = await made.install(["--from", bad, "--health-wait", "1", ...args]);
    expect(outcome).toMatchObject({ code: 1, err: expect.stringContaining(message) });
    expect(await made.version()).toBe("1.1.0");
    expect(await made.version(`${made.program}.previous`)).toBe("1.0.0");
    // Started again: it may be well later.
    expect(made.read("calls")?.match(/^systemctl start/gm)).toHaveLength(3);
  });

  test("of a service that is switched off does not switch it on", async () => {
    const made = await running();
    await made.systemctl("disable", "--now", "trailglass.service");
    const outcome = await made.install(["--from", made.release("1.1.0")]);
    expect(outcome).toMatchObject({ code: 0, out: expect.stringContaining("Start it now.") });
    expect([await made.version(), made.running()]).toEqual(["1.1.0", null]);
  });
});

describe("without systemd", () => {
  test("a server that runs has to be stopped by whoever started it", async () => {
    const made = await running({ systemd: false });
    writeFileSync(made.path("run/ready"), "1.0.0\n");
    const refused = await made.install(["--from", made.release("1.1.0")]);
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining("Stop it and run this again") });
    expect(await made.version()).toBe("1.0.0");
  });

  test("one that is stopped is backed up and upgraded", async () => {
    const made = await running({ systemd: false });
    const outcome = await made.install(["--from", made.release("1.1.0")]);
    expect(outcome).toMatchObject({
      code: 0,
      out: expect.stringContaining("trailglass restore --replace 2026-"),
    });
    expect(await made.version()).toBe("1.1.0");
    expect(made.read("calls")).toContain("1.0.0 backup create --json");
  });

  test("commands that stop and start it do as well", async () => {
    const made = await running({ systemd: false });
    const ready = made.path("run/ready");
    writeFileSync(ready, "1.0.0\n");
    const commands = ["--service-stop", `rm ${ready}`, "--service-start", `echo started >${ready}`];
    const outcome = await made.install(["--from", made.release("1.1.0"), ...commands]);
    expect(outcome).toMatchObject({ code: 0, out: expect.stringContaining("1.1.0 runs and is healthy") });
    expect(made.running()).toBe("started");
  });
});

describe("an installer that is killed", () => {
  /** How many steps an undisturbed run has. */
  async function stepsOf(begin: () => Promise<Machine>, version: string): Promise<number> {
    const made = await begin();
    const folder = made.release(version);
    made.dieBefore(0);
    expect(await made.install(["--from", folder, "--yes"])).toMatchObject({ code: 0 });
    return statSync(made.path("steps")).size;
  }

  async function killed(begin: () => Promise<Machine>, step: number, allowed: (string | null)[]) {
    const made = await begin();
    const folder = made.release("1.1.0");
    made.dieBefore(step);
    expect(await made.install(["--from", folder, "--yes"])).toMatchObject({ code: null });
    expect(allowed).toContain(await made.version());
    made.liveOn();
    expect(await made.install(["--from", folder, "--yes"])).toMatchObject({ code: 0 });
    await until(() => made.running() === "1.1.0");
    expect(bin(made).filter((name) => name.startsWith("."))).toEqual([]);
  }

  test.each([
    ["an upgrade", running, ["1.0.0", "1.1.0"]],
    ["a first install", async () => machine(), [null, "1.1.0"]],
  ] as const)(
    "at any step of %s leaves a program that works, and the next run completes it",
    async (_, begin, allowed) => {
      const steps = await stepsOf(begin, "1.1.0");
      expect(steps).toBeGreaterThan(8);
      const numbers = Array.from({ length: steps }, (_, index) => index + 1);
      for (let next = numbers.splice(0, 4); next.length > 0; next = numbers.splice(0, 4))
        await Promise.all(next.map((step) => killed(begin, step, [...allowed])));
    },
  );
});

describe("removing", () => {
  test("takes program and service, and keeps data and settings", async () => {
    const made = await running();
    await made.install(["--from", made.release("1.1.0")]);
    expect(await made.install(["--uninstall"])).toMatchObject({ code: 0, err: "" });
    expect(bin(made)).toEqual([]);
    expect(made.running()).toBeNull();
    expect(existsSync(made.path("etc/systemd/system/trailglass.service"))).toBe(false);
    expect(made.read("calls")).toMatch(/disable --now trailglass\.service[\s\S]*daemon-reload/);
    expect(made.read("var/lib/trailglass/journal")).toContain("first line");
    expect(made.read("etc/trailglass/trailglass.env")).toContain("APP_PORT");
  });

  test("and installing again sets up over the settings that were kept", async () => {
    const made = await running();
    await made.install(["--uninstall"]);
    const outcome = await made.install(["--from", made.release("1.1.0"), "--yes"]);
    expect([outcome.code, outcome.err]).toEqual([0, ""]);
    expect(made.read("setup")).toContain("--yes");
    await until(() => made.running() === "1.1.0");
  });

  test("everything needs a yes", async () => {
    const made = await running();
    const refused = await made.install(["--uninstall", "--purge"]);
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining("add --yes") });
    expect(made.running()).toBe("1.0.0");
    appendFileSync(made.path("etc/trailglass/trailglass.env"), "DATA_DIR=/mnt/disk\n");
    const purged = await made.install(["--uninstall", "--purge", "--yes"]);
    expect(purged).toMatchObject({ code: 0, out: expect.stringContaining("Not removed: /mnt/disk") });
    expect([existsSync(made.path("var/lib/trailglass")), existsSync(made.path("etc/trailglass"))]).toEqual([
      false,
      false,
    ]);
  });

  test("what still runs without systemd is refused", async () => {
    const made = await running({ systemd: false });
    writeFileSync(made.path("run/ready"), "1.0.0\n");
    expect(await made.install(["--uninstall"])).toMatchObject({ code: 1 });
    expect(await made.version()).toBe("1.0.0");
  });
});

import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { release, serviceManager, steppingStone } from "./stand-ins.ts";

const installer = join(import.meta.dir, "../../install.sh");

/** Programs that installer and stand-ins need; nothing else of the machine is on their PATH. */
const borrowed =
  "awk cat chmod cp grep head id ln ls mkdir mv rm sed setsid sh sha256sum sleep tail touch tr true wc".split(
    " ",
  );
/** Steps at which a run may be cut off: whatever changes something. */
const changing = ["chmod", "cp", "ln", "mkdir", "mv", "rm"];

export interface Outcome {
  /** null when it was killed. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Options {
  /** `uname -m` of it. */
  readonly architecture?: string;
  readonly cpuFlags?: string;
  readonly libc?: "glibc" | "musl";
  readonly systemd?: boolean;
  /** The shell that runs the installer; `busybox sh` has its own of most programs. */
  readonly shell?: readonly string[];
}

/**
 * A machine below a folder, with an architecture and a service manager of its own. The service manager, the releases
 * and what tells the architecture are stand-ins; the installer and all that it does to files are real.
 */
export class Machine {
  readonly root: string;
  readonly #tools: string;
  readonly #env: Record<string, string>;
  readonly #shell: readonly string[];
  readonly #hasSystemd: boolean;

  constructor(options: Options = {}) {
    this.root = mkdtempSync(join(tmpdir(), "trailglass-install-"));
    this.#tools = this.path("tools");
    mkdirSync(this.#tools);
    mkdirSync(this.path("run"));
    for (const name of borrowed) this.#borrow(name);
    const { architecture = "x86_64", libc = "glibc", cpuFlags = "sse4_2 avx avx2" } = options;
    // No power cut comes here, and a disk that others keep busy takes seconds for it.
    this.tool("sync", "#!/bin/sh\n");
    this.tool("uname", `#!/bin/sh\n[ "$1" = -m ] && echo ${architecture} || echo Linux\n`);
    this.tool("ldd", libc === "musl" ? "#!/bin/sh\necho 'musl libc' >&2\nexit 1\n" : "#!/bin/sh\necho GNU\n");
    writeFileSync(this.path("cpuinfo"), `flags : fpu ${cpuFlags}\n`);
    this.#hasSystemd = options.systemd ?? true;
    if (this.#hasSystemd) {
      mkdirSync(this.path("run/systemd/system"), { recursive: true });
      this.tool("systemctl", serviceManager);
    }
    this.#shell = options.shell ?? [Bun.which("sh") as string];
    this.#env = { PATH: this.#tools, MACHINE: this.root, TRAILGLASS_CPUINFO: this.path("cpuinfo") };
  }

  path(...parts: string[]): string {
    return join(this.root, ...parts);
  }
  get program(): string {
    return this.path("usr/local/bin/trailglass");
  }
  read(...parts: string[]): string | null {
    const path = this.path(...parts);
    return existsSync(path) ? readFileSync(path, "utf8").trim() : null;
  }

  #borrow(name: string): void {
    const found = Bun.which(name);
    if (!found) throw new Error(`there is no ${name} on this machine`);
    const place = join(this.#tools, name);
    rmSync(place, { force: true });
    symlinkSync(found, place);
  }

  tool(name: string, text: string): void {
    const path = join(this.#tools, name);
    rmSync(path, { force: true });
    writeFileSync(path, text);
    chmodSync(path, 0o755);
  }
  without(name: string): void {
    rmSync(join(this.#tools, name));
  }

  /** A release in a folder, as `bun run build --all` leaves it. @returns the folder */
  release(version: string, behaviour: Parameters<typeof release>[1] = {}): string {
    const folder = this.path(`release-${version}`);
    mkdirSync(folder, { recursive: true });
    const files = ["linux-x64", "linux-x64-baseline", "linux-arm64"].map((name) => `trailglass-${name}`);
    const sums = files.map((file) => {
      const text = release(version, { ...behaviour, file });
      writeFileSync(join(folder, file), text);
      return `${new Bun.CryptoHasher("sha256").update(text).digest("hex")}  ${file}\n`;
    });
    writeFileSync(join(folder, "SHA256SUMS"), sums.join(""));
    return folder;
  }

  /** Runs the installer on this machine. */
  async install(args: string[], env: Record<string, string> = {}): Promise<Outcome> {
    const command = [
      Bun.which("setsid") as string,
      "--wait",
      ...this.#shell,
      installer,
      "--root",
      this.root,
      ...args,
    ];
    const child = Bun.spawn(command, {
      cwd: this.root,
      env: { ...this.#env, ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    return { code: (await child.exited) === 137 ? null : child.exitCode, out, err };
  }

  /** Makes the next runs count their steps, and die before the one with that number. */
  dieBefore(step: number): void {
    rmSync(this.path("steps"), { force: true });
    for (const name of changing) this.tool(name, steppingStone(Bun.which(name) as string, step));
    if (this.#hasSystemd) this.tool("systemctl", serviceManager.replace("#step\n", steppingStone("", step)));
  }
  liveOn(): void {
    for (const name of changing) this.#borrow(name);
    if (this.#hasSystemd) this.tool("systemctl", serviceManager);
  }

  /** A version that was set up earlier and runs: what the installer and setup leave, only sooner. */
  async withRunning(version: string, behaviour: Parameters<typeof release>[1] = {}): Promise<this> {
    for (const folder of ["usr/local/bin", "etc/trailglass", "etc/systemd/system", "var/lib/trailglass"])
      mkdirSync(this.path(folder), { recursive: true });
    writeFileSync(this.program, release(version, behaviour), { mode: 0o755 });
    writeFileSync(this.path("etc/trailglass/trailglass.env"), "APP_PORT=8080\n");
    writeFileSync(this.path("etc/systemd/system/trailglass.service"), "");
    writeFileSync(this.path("run/enabled"), "");
    writeFileSync(this.path("var/lib/trailglass/schema"), "1\n");
    writeFileSync(this.path("var/lib/trailglass/journal"), "first line\n");
    if (this.#hasSystemd) await this.systemctl("start", "trailglass.service");
    return this;
  }

  async systemctl(...args: string[]): Promise<void> {
    await Bun.spawn([join(this.#tools, "systemctl"), ...args], { env: this.#env }).exited;
  }

  async version(path = this.program): Promise<string | null> {
    if (!existsSync(path)) return null;
    const child = Bun.spawn([path, "--version"], { env: this.#env, stdout: "pipe", stderr: "ignore" });
    return /\d+\.\d+\.\d+\S*/.exec(await child.stdout.text())?.[0] ?? null;
  }
  /** Version of the server that runs and is ready. */
  running(): string | null {
    return this.read("run/ready");
  }

  async remove(): Promise<void> {
    if (this.#hasSystemd) await this.systemctl("stop", "trailglass.service");
    rmSync(this.root, { recursive: true, force: true });
  }
}

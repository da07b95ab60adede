import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encode } from "uqr";
import { makeFolder } from "../../cli/setup/checks/folder.ts";
import { writeWhole } from "../../cli/setup/files.ts";
import { renderQrCode } from "../../cli/setup/qr-code.ts";
import { readyFile } from "../../cli/setup/ready-files.ts";
import { renderUnit } from "../../cli/setup/systemd-unit.ts";
import { CommandError } from "../../cli/with-context.ts";
import { type Config, readConfig } from "../../src/config/config.ts";

const folder = mkdtempSync(join(tmpdir(), "trailglass-made-"));
afterAll(() => rmSync(folder, { recursive: true }));

const configOf = (environment: Record<string, string>): Config =>
  readConfig({ environment, readFile: () => "", defaultDataDir: "/var/lib/trailglass" });
const unitOf = (environment: Record<string, string>, program = ["/bin/true"]) =>
  renderUnit({
    program,
    envFile: "/etc/trailglass/trailglass.env",
    user: "nobody",
    config: configOf(environment),
  });

describe("the unit", () => {
  test("keeps the server in a narrow place, and lets it compile while it runs", () => {
    const unit = unitOf({ BACKUP_DIR: "/mnt/my disk/100%" });
    for (const line of [
      "User=nobody",
      "ExecStart=/bin/true serve --config /etc/trailglass/trailglass.env",
      'ReadWritePaths=/var/lib/trailglass "/mnt/my disk/100%%"',
      "KillMode=mixed",
      "ProtectSystem=strict",
      "ProtectHome=true",
      "NoNewPrivileges=true",
      "PrivateTmp=true",
      "CapabilityBoundingSet=",
      "UMask=0077",
      "Restart=on-failure",
    ])
      expect(unit.split("\n")).toContain(line);
    expect(unit).not.toMatch(/MemoryDenyWriteExecute|LimitAS/);
    expect(unit).toMatch(/^MemoryMax=/m);
  });

  test("lets it have a port below 1024, and data below /home or /tmp", () => {
    const unit = unitOf({ APP_PORT: "443", DATA_DIR: "/home/ada/trails", BACKUP_DIR: "/tmp/b" });
    expect(unit).toMatch(/^AmbientCapabilities=CAP_NET_BIND_SERVICE$/m);
    expect(unit).toMatch(/^ProtectHome=read-only$/m);
    expect(unit).toMatch(/^PrivateTmp=false$/m);
  });

  test.skipIf(!Bun.which("systemd-analyze"))("pleases systemd", () => {
    const path = join(folder, "trailglass.service");
    writeFileSync(path, unitOf({}));
    const verified = Bun.spawnSync(["systemd-analyze", "verify", path]);
    const mentions = verified.stderr
      .toString()
      .split("\n")
      .filter((line) => line.includes("trailglass.service"))
      // The only user that every system has.
      .filter((line) => !line.includes("Special user nobody"));
    expect(mentions).toEqual([]);
    const judged = Bun.spawnSync(["systemd-analyze", "security", "--offline=true", path]);
    const [, score = "10"] = /exposure level for .*: ([\d.]+)/.exec(judged.stdout.toString()) ?? [];
    expect(Number(score)).toBeLessThan(2.5);
  });
});

describe("the file for the way in", () => {
  const config = configOf({
    PUBLIC_URL: "https://trails.example.org",
    APP_PORT: "8081",
    MAX_PHOTO_SIZE: "80MB",
  });
  const of = (reach: string) => readyFile({ answers: { reach }, config });

  test("names address, port and the largest body", () => {
    expect(of("cloudflare")).toContain(
      "  - hostname: trails.example.org\n    service: http://127.0.0.1:8081\n",
    );
    expect(of("caddy")).toContain("https://trails.example.org {");
    expect(of("caddy")).toContain("max_size 82MiB");
    expect(of("nginx")).toContain("client_max_body_size 82m;");
    expect(of("nginx")).toContain("proxy_request_buffering off;");
    expect([of("tls"), of("lan")]).toEqual([undefined, undefined]);
  });

  test("of cloudflared is YAML", () => {
    expect(Bun.YAML.parse(of("cloudflare") ?? "")).toMatchObject({
      tunnel: "trailglass",
      ingress: [{ hostname: "trails.example.org" }, { service: "http_status:404" }],
    });
  });

  const nginx = Bun.which("nginx", { PATH: `${process.env.PATH}:/usr/sbin` });
  test.skipIf(nginx === null)("pleases nginx", () => {
    const path = join(folder, "nginx.conf");
    writeFileSync(
      path,
      `pid ${folder}/pid; error_log ${folder}/log;\nevents {}\nhttp {\naccess_log off;\n${of("nginx")}}\n`,
    );
    const { exitCode, stderr } = Bun.spawnSync([nginx as string, "-t", "-p", folder, "-c", path]);
    expect([exitCode, stderr.toString()]).toEqual([0, expect.stringContaining("test is successful")]);
  });
});

test("the QR code is black on white, whatever the terminal's colours, two rows a line", () => {
  const url = "https://trails.example.org";
  const { data, size } = encode(url, { ecc: "L", border: 2 });
  const lines = renderQrCode(url);
  const [begin, end] = ["\x1b[38;5;16m\x1b[48;5;231m", "\x1b[0m"];
  expect(lines).toHaveLength(Math.ceil(size / 2));
  const rows = lines.flatMap((line) => {
    const cells = line.slice(begin.length, -end.length);
    expect([line.startsWith(begin), line.endsWith(end)]).toEqual([true, true]);
    return [/[█▀]/, /[█▄]/].map((dark) => [...cells].map((cell) => dark.test(cell)));
  });
  expect(rows.slice(0, size)).toEqual(data);
});

describe("files", () => {
  test("are written whole, and the one before is kept on request", () => {
    const path = join(folder, "deep/x.env");
    const options = { mode: 0o600, owner: null, old: `${path}.old` };
    expect(writeWhole(path, "1\n", options)).toBe(true);
    expect(writeWhole(path, "1\n", options)).toBe(false);
    expect(writeWhole(path, "2\n", options)).toBe(true);
    expect(writeWhole(path, "2\n", options)).toBe(false);
    expect([Bun.file(path), Bun.file(`${path}.old`)].map(({ size }) => size)).toEqual([2, 2]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("that cannot be written are named in one line, with what to do", () => {
    const write = () => writeWhole("/sys/x.env", "1\n", { mode: 0o600, owner: null });
    expect(write).toThrow(CommandError);
    expect(write).toThrow(/^\/sys\/x\.env cannot be written \(E[A-Z]+\): \w/);
  });

  test.skipIf(process.getuid?.() !== 0)(
    "and folders belong to the user of the service, also what root had made there",
    () => {
      const data = join(folder, "data");
      makeFolder(data, null);
      writeFileSync(join(data, "postgres.initialised"), "");
      makeFolder(data, { name: "trailglass", uid: 4242, groups: [4243] });
      for (const path of [data, join(data, "postgres.initialised")]) {
        const { uid, gid } = statSync(path);
        expect([uid, gid]).toEqual([4242, 4243]);
      }
    },
  );
});

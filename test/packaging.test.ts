import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { Glob } from "bun";
import { type Environment, readConfig } from "../src/config/config.ts";
import { variables } from "../src/config/variables.ts";

const root = join(import.meta.dir, "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const names = new Set(
  Object.values(variables).flatMap((variable) => variable.names.flatMap((name) => [name, `${name}_FILE`])),
);
const samples = [...new Glob("packaging/env/*.env.example").scanSync({ cwd: root })].sort();

/** Every name means something, and the program would start with these values. */
function expectSettings(environment: Environment): void {
  expect(Object.keys(environment).filter((name) => !names.has(name))).toEqual([]);
  expect(() => readConfig({ environment, readFile: () => "x", defaultDataDir: "/data" })).not.toThrow();
}

// biome-ignore lint/suspicious/noExplicitAny: files of other programs, whose shape the expectations say
type Foreign = any;

describe("samples of env files", () => {
  test("are there", () => {
    expect(samples).toEqual([
      "packaging/env/cloudflare-tunnel.env.example",
      "packaging/env/compose-external.env.example",
      "packaging/env/external.env.example",
      "packaging/env/lan.env.example",
    ]);
  });

  test.each(samples)("%s is a configuration", (path) => {
    const environment = parseEnv(read(path)) as Environment;
    expect(Object.keys(environment).length).toBeGreaterThan(1);
    expectSettings(environment);
  });

  test.each(samples)("%s: what is commented out would be one, too", (path) => {
    expectSettings(parseEnv(read(path).replace(/^#(?=[A-Z0-9_]+=)/gm, "")) as Environment);
  });
});

describe("compose.yaml", () => {
  const compose: Foreign = Bun.YAML.parse(read("compose.yaml"));
  const { trailglass, ...others } = compose.services;

  /** What compose puts in for `${NAME:-default}`. */
  const filled = (text: unknown, given: Environment) =>
    String(text).replace(/\$\{(\w+)(?::-([^}]*))?\}/g, (_, name, fallback = "") => given[name] || fallback);
  const environmentWith = (given: Environment): Environment =>
    Object.fromEntries(
      Object.entries(trailglass.environment).map(([name, text]) => [name, filled(text, given)]),
    );

  test("starts the server alone with nothing set", () => {
    expectSettings(environmentWith({}));
    expect(filled(trailglass.ports[0], {})).toBe("127.0.0.1:8080:8080");
    for (const service of Object.values<Foreign>(others)) expect(service.profiles).toEqual(["external"]);
    for (const dependency of Object.values<Foreign>(trailglass.depends_on))
      expect(dependency.required).toBe(false);
  });

  test("hands the sample's settings on to everybody whom they concern", () => {
    const given = parseEnv(read("packaging/env/compose-external.env.example")) as Environment;
    const environment = environmentWith(given);
    expectSettings(environment);
    expect(environment).toMatchObject(given);
    const { postgres, s3 } = others;
    expect(filled(postgres.environment.POSTGRES_PASSWORD, given)).toBe(given.DATABASE_PASSWORD as string);
    expect(filled(s3.environment.GARAGE_DEFAULT_SECRET_KEY, given)).toBe(given.STORAGE_SECRET_KEY as string);
    expect(environment.DATABASE_HOST).toBe("postgres");
    expect(new URL(environment.STORAGE_ENDPOINT as string).hostname).toBe("s3");
    expect(compose.configs.garage.content).toContain(`s3_region = "${given.STORAGE_REGION}"`);
    const config = readConfig({ environment, readFile: () => "", defaultDataDir: "/data" });
    expect([postgres.environment.POSTGRES_USER, postgres.environment.POSTGRES_DB]).toEqual([
      config.databaseUser,
      config.databaseName,
    ]);
    expect(s3.environment.GARAGE_DEFAULT_BUCKET).toBe(config.storageBucket);
  });

  test("keeps what is in volumes that it names", () => {
    const mounted = Object.values<Foreign>(compose.services).flatMap(({ volumes }) =>
      volumes.map((volume: string) => volume.split(":")[0]),
    );
    expect(mounted.sort()).toEqual(Object.keys(compose.volumes).sort());
    expect(trailglass.volumes).toEqual(["data:/var/lib/trailglass"]);
    expect(trailglass.read_only).toBe(true);
  });
});

test("fly.toml", () => {
  const fly: Foreign = Bun.TOML.parse(read("fly.toml"));
  expectSettings(fly.env);
  expect(fly.http_service.internal_port).toBe(Number(variables.port.fallback));
  expect(fly.http_service.checks[0].path).toBe("/health/ready");
  expect(fly.mounts[0].destination).toBe("/var/lib/trailglass");
  expect(existsSync(join(root, fly.build.dockerfile))).toBe(true);
});

test("render.yaml", () => {
  const [service]: Foreign = (Bun.YAML.parse(read("render.yaml")) as Foreign).services;
  const asked = service.envVars.filter(({ sync }: Foreign) => sync === false);
  expect(asked.map(({ key }: Foreign) => key)).toEqual(["PUBLIC_URL"]);
  expectSettings(
    Object.fromEntries(
      service.envVars.map(({ key, value }: Foreign) => [key, value ?? "https://x.onrender.com"]),
    ),
  );
  expect(service.disk.mountPath).toBe("/var/lib/trailglass");
  expect(service.healthCheckPath).toBe("/health/ready");
  expect(existsSync(join(root, service.dockerfilePath))).toBe(true);
});

describe("Dockerfile", () => {
  const lines = read("Dockerfile").replaceAll("\\\n", " ").split("\n");
  const last = lines.slice(lines.findLastIndex((line) => line.startsWith("FROM ")));
  const valuesOf = (instruction: string) =>
    last
      .filter((line) => line.startsWith(`${instruction} `))
      .map((line) => line.slice(instruction.length + 1));

  test("leaves nothing to be run on the other architecture", () => {
    expect(valuesOf("RUN")).toEqual([]);
    for (const line of lines.filter((line) => line.startsWith("FROM ")).slice(0, -1))
      expect(line).toStartWith("FROM --platform=$BUILDPLATFORM ");
  });

  test("runs as nobody's root, keeps its data in a volume, and asks the server itself for its health", () => {
    expect(valuesOf("USER")).toEqual(["10001:10001"]);
    expect(valuesOf("VOLUME")).toEqual(["/var/lib/trailglass"]);
    expect(valuesOf("ENTRYPOINT")).toEqual(['["trailglass"]']);
    expect(valuesOf("EXPOSE")).toEqual([variables.port.fallback as string]);
    expect(valuesOf("HEALTHCHECK")[0]).toEndWith('CMD ["trailglass", "healthcheck"]');
    const environment = parseEnv((valuesOf("ENV")[0] ?? "").replaceAll(" ", "\n")) as Environment;
    const { HOME, ...settings } = environment;
    expectSettings(settings);
    expect([HOME, settings.DATA_DIR]).toEqual(["/var/lib/trailglass", "/var/lib/trailglass"]);
  });

  test("is given every folder that the program is made from", () => {
    const given =
      read(".dockerignore")
        .match(/^!.*$/gm)
        ?.map((line) => line.slice(1)) ?? [];
    expect(given.filter((path) => !existsSync(join(root, path)))).toEqual([]);
    for (const path of ["src", "cli", "migrations", "patches", "scripts", "package.json", "bun.lock"])
      expect(given).toContain(path);
  });
});

describe("workflows", () => {
  const workflows = [...new Glob(".github/workflows/*.yml").scanSync({ cwd: root, dot: true })].sort();

  test.each(workflows)("%s uses only what a commit pins, and is given no more than it needs", (path) => {
    const workflow: Foreign = Bun.YAML.parse(read(path));
    const jobs = Object.values<Foreign>(workflow.jobs);
    const used = jobs.flatMap(({ uses, steps = [] }) => [uses, ...steps.map((step: Foreign) => step.uses)]);
    const foreign = used.filter((name) => name && !name.startsWith("./"));
    expect(foreign.filter((name) => !/^[\w./-]+@[0-9a-f]{40}$/.test(name))).toEqual([]);
    expect(workflow.permissions).toEqual({ contents: "read" });
    expect(jobs.filter((job) => !job.uses && !job["timeout-minutes"])).toEqual([]);
  });

  test("are there", () => {
    expect(workflows).toEqual([".github/workflows/ci.yml", ".github/workflows/release.yml"]);
  });

  test.skipIf(!Bun.which("actionlint"))("actionlint has nothing to say", () => {
    const { exitCode, stdout } = Bun.spawnSync(["actionlint", "-no-color"], { cwd: root });
    expect(stdout.toString()).toBe("");
    expect(exitCode).toBe(0);
  });
});

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { Glob } from "bun";

const root = join(import.meta.dir, "..");
const list = (pattern: string) => [...new Glob(pattern).scanSync({ cwd: root })].sort();
const read = (path: string) => readFileSync(join(root, path), "utf8");

interface Source {
  readonly path: string;
  readonly text: string;
  /** Packages by name; files of the repository by their path. */
  readonly imports: readonly string[];
}

const transpiler = new Bun.Transpiler({ loader: "ts", trimUnusedImports: false });

/** Imports of types are gone once transpiled, and yet they are part of what a file knows of others. */
function importsOf(path: string, text: string): string[] {
  const valued = text
    .replace(/^#!.*/, "")
    .replace(/^(import|export) type (?=[{*])/gm, "$1 ")
    .replace(/([{,]\s*)type (?=[A-Za-z])/g, "$1");
  return transpiler
    .scanImports(valued)
    .map(({ path: found }) => (found.startsWith(".") ? normalize(join(dirname(path), found)) : found));
}

const sources: Source[] = list("{src,cli,migrations}/**/*.ts")
  .filter((path) => !path.endsWith(".d.ts") && !path.endsWith(".test.ts"))
  .map((path) => ({ path, text: read(path), imports: importsOf(path, read(path)) }));
const all = [...sources.map(({ path }) => path), ...list("{test,scripts}/**/*.ts")];

/** Code alone: what a comment mentions is no use of it. */
const code = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
const uses = (pattern: RegExp, among = sources) =>
  among.filter(({ text }) => pattern.test(code(text))).map(({ path }) => path);

/**
 * The floors of the house, from the top. A file imports from its own floor and those below it. Routes stand above
 * the services of all features, and `context.ts`, which builds those, stands between the two.
 */
const floors: readonly [name: string, RegExp][] = [
  ["commands", /^cli\//],
  ["app", /^src\/app\.ts$/],
  ["routes", /^src\/(api\/.*|.*(^|[-/])routes\.ts|(?!images\/).*-description\.ts)$/],
  ["guards", /^src\/http\/guards\.ts$/],
  ["doctor", /^src\/doctor\//],
  ["context", /^src\/context\.ts$/],
  ["work", /^src\/(work|observation)\.ts$/],
  ["backup", /^src\/backup\//],
  ["exports", /^src\/exports\//],
  ["photos", /^src\/photos\//],
  ["features", /^src\/(accounts|journal|health)\//],
  ["mail", /^src\/email\//],
  ["jobs", /^src\/jobs\//],
  ["surfaces", /^src\/(access|limits|metrics)\//],
  ["sync", /^src\/sync\//],
  ["storage", /^src\/storage\//],
  ["images", /^src\/images\//],
  ["http", /^src\/http\//],
  ["database", /^src\/database\//],
  [
    "ground",
    /^(src\/(config\/.*|amounts\.ts|enclosed\.ts|errors\.ts|garbage\.ts|log\.ts|question\.ts|version\.ts)|migrations\/.*|package\.json)$/,
  ],
];
const floorOf = (path: string) => floors.findIndex(([, pattern]) => pattern.test(path));

/** Services are handed to whoever asks: these names go upwards, as types only. */
const typesUpwards = [
  // A request that proved who it is: services take it, guards make it.
  ["Session", "src/http/guards.ts"],
] as const;

function importedNames(text: string, from: string, path: string): { names: string[]; typeOnly: boolean } {
  const statements = [...text.matchAll(/^import (type )?\{([^}]*)\} from "([^"]+)"/gm)];
  const found = statements.filter(([, , , module = ""]) => normalize(join(dirname(path), module)) === from);
  const items = found.flatMap(([, type, names = ""]) =>
    names.split(",").map((name) => (type ? `type ${name.trim()}` : name.trim())),
  );
  const names = items.filter((name) => name !== "" && name !== "type");
  return {
    names: names.map((name) => name.replace(/^type /, "")),
    typeOnly: names.every((n) => n.startsWith("type ")),
  };
}

function isAllowedUpwards({ path, text }: Source, target: string): boolean {
  const { names, typeOnly } = importedNames(text, target, path);
  const isListed = (name: string) => typesUpwards.some(([type, file]) => type === name && file === target);
  // No names at all is an import of everything, or for its effects.
  return names.length > 0 && typeOnly && names.every(isListed);
}

describe("imports", () => {
  test("are found, of types and of values", () => {
    const app = sources.find(({ path }) => path === "src/app.ts");
    expect(app?.imports).toContain("src/context.ts");
    expect(app?.imports).toContain("elysia");
    expect(sources.length).toBeGreaterThan(100);
  });

  test("every file stands on a floor", () => {
    expect(sources.filter(({ path }) => floorOf(path) < 0).map(({ path }) => path)).toEqual([]);
  });

  test("point down, or along the same floor", () => {
    const upwards = sources.flatMap((source) =>
      source.imports
        .filter((target) => floorOf(target) >= 0 && floorOf(target) < floorOf(source.path))
        .filter((target) => !isAllowedUpwards(source, target))
        .map((target) => `${source.path} → ${target}`),
    );
    expect(upwards).toEqual([]);
  });

  test("features do not know each other's rooms", () => {
    const room = (path: string) => /^src\/(accounts|journal|health)\//.exec(path)?.[1];
    const crossing = sources.flatMap(({ path, imports }) =>
      imports
        .filter((target) => room(path) && room(target) && room(path) !== room(target))
        .map((target) => `${path} → ${target}`),
    );
    expect(crossing).toEqual([]);
  });

  test("name files that are there, with their ending", () => {
    const known = new Set([
      ...sources.map(({ path }) => path),
      ...list("{migrations,src}/**/*.{sql,txt}"),
      "package.json",
    ]);
    const missing = sources.flatMap(({ path, imports }) =>
      imports
        .filter((target) => /^(src|cli|migrations|test|scripts)\//.test(target) && !known.has(target))
        .map((target) => `${path} → ${target}`),
    );
    expect(missing).toEqual([]);
  });

  test("of packages are declared", () => {
    const { dependencies, optionalDependencies } = JSON.parse(read("package.json"));
    const declared = Object.keys({ ...dependencies, ...optionalDependencies });
    const packages = sources
      .flatMap(({ imports }) => imports)
      .filter((name) => floorOf(name) < 0 && !/^(src|cli|migrations)\//.test(name));
    const foreign = packages.filter((name) => !/^(node:|bun$|bun:)/.test(name));
    const owners = new Set(
      foreign.map((name) =>
        name
          .split("/")
          .slice(0, name.startsWith("@") ? 2 : 1)
          .join("/"),
      ),
    );
    expect([...owners].filter((name) => !declared.includes(name))).toEqual([]);
  });
});

describe("each thing in its place", () => {
  test("elysia in the app, its HTTP layer and routes", () => {
    const users = sources.filter(({ imports }) => imports.some((name) => /^@?elysia/.test(name)));
    const elsewhere = users
      .map(({ path }) => path)
      .filter((path) => !/^src\/(app\.ts|http\/[^/]+\.ts|.*routes\.ts)$/.test(path));
    // Access tokens are signed by elysia's own plugin; the ring of keys is all that knows it.
    expect(elsewhere).toEqual(["src/accounts/key-ring.ts"]);
  });

  test("the process's environment, arguments and end in the commands", () => {
    const touching = uses(/\bprocess\.(env|argv|exit)\b|\bBun\.(env|argv)\b|\bimport\.meta\.env\b/);
    expect(touching.filter((path) => !path.startsWith("cli/"))).toEqual([]);
    expect(touching.length).toBeGreaterThan(0);
  });

  test("one exit", () => {
    expect(uses(/\bprocess\.exit\b/)).toEqual(["cli/main.ts"]);
  });

  test("SQL in the database, sync, storage, jobs, the journal, exports, health and the repositories of accounts and photos", () => {
    const places = /^src\/(database|sync|storage|journal|backup|jobs|exports)\/|^src\/health\/[a-z-]+\.ts$/;
    const repositories = sources
      .filter(
        ({ path, imports }) => /^src\/(accounts|photos)\//.test(path) && imports.includes("drizzle-orm"),
      )
      .map(({ path }) => path);
    expect(
      uses(/\bsql`|\bsql\.(raw|unsafe|join)\b|\bsql</).filter(
        (path) => !places.test(path) && !repositories.includes(path),
      ),
    ).toEqual([]);
    expect(repositories.filter((path) => path.endsWith("routes.ts"))).toEqual([]);
    expect(
      sources.filter(({ path, imports }) => path.startsWith("cli/") && imports.includes("drizzle-orm")),
    ).toEqual([]);
  });

  test("the driver behind the database's door", () => {
    const users = sources.filter(({ imports }) => imports.includes("postgres")).map(({ path }) => path);
    expect(users).toEqual(["src/database/client.ts"]);
  });

  test("tables of the database in one file a room", () => {
    const users = uses(/\bpgTable\(/);
    expect(
      users.filter((path) => !/^src\/(journal\/[a-z-]+|accounts\/tables|sync\/[a-z-]+)\.ts$/.test(path)),
    ).toEqual([]);
  });

  test("the console for what commands print; the server has its log", () => {
    expect(uses(/\bconsole\.\w+\(/).filter((path) => !path.startsWith("cli/"))).toEqual([]);
  });

  test("no state of a module outlives what built it", () => {
    expect(uses(/^(export )?let \w/m)).toEqual([]);
  });
});

describe("house style", () => {
  test("no default exports", () => {
    const files = all.map((path) => ({ path, text: read(path), imports: [] }));
    expect(
      uses(
        /^export default\b|\bas default\b/m,
        files.filter(({ path }) => !path.endsWith(".d.ts")),
      ),
    ).toEqual([]);
  });

  test("no barrels, and no rooms for odds and ends", () => {
    expect(
      all.filter(
        (path) => /(^|\/)(utils?|helpers?|common|misc|shared)(\.ts|\/)/.test(path) && path.startsWith("src/"),
      ),
    ).toEqual([]);
    expect(sources.filter(({ path }) => path.startsWith("src/") && path.endsWith("index.ts"))).toEqual([]);
    expect(uses(/^export \* from|^export (type )?\{[^}]*\} from/m)).toEqual([]);
  });

  test("small rooms", () => {
    const lengths = sources.map(({ text }) => text.split("\n").length).sort((a, b) => a - b);
    expect(lengths[Math.floor(lengths.length / 2)]).toBeLessThan(90);
    expect(sources.filter(({ text }) => text.split("\n").length > 350).map(({ path }) => path)).toEqual([]);
  });

  test("every import of a file names its ending", () => {
    const bare = sources.filter(({ text }) => /from "\.{1,2}\/[^"]*(?<!\.(ts|sql|txt|json))"/.test(text));
    expect(bare.map(({ path }) => path)).toEqual([]);
  });
});

test("nothing in the repository leads out of it", () => {
  const tracked = Bun.spawnSync(["git", "ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
  });
  const files = tracked.exitCode === 0 ? tracked.stdout.toString().trim().split("\n") : all;
  const outside = ["..", "shared"].join("/");
  const leading = files.filter((path) => {
    const file = join(root, path);
    return Bun.file(file).size > 0 && readFileSync(file, "latin1").includes(outside);
  });
  expect(leading).toEqual([]);
});

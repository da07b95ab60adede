import { describe, expect, test } from "bun:test";
import { layered } from "../cli/environment.ts";
import { configurationPage, configurationPath } from "../scripts/generate-docs.ts";
import { type Config, ConfigError, type Environment, readConfig } from "../src/config/config.ts";
import { describeVariables, warnUnknown } from "../src/config/describe.ts";
import { isWithin } from "../src/config/proxy-ranges.ts";
import { variables } from "../src/config/variables.ts";
import { parseDatabaseUrl } from "../src/database/client.ts";
import { configuredTarget } from "../src/database/open.ts";

function read(environment: Environment, files: Record<string, string> = {}): Config {
  const readFile = (path: string) => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error(`no ${path}`), { code: "ENOENT" });
    return text;
  };
  return readConfig({ environment, readFile, defaultDataDir: "/usual" });
}

function problemsOf(environment: Environment, files: Record<string, string> = {}): readonly string[] {
  try {
    read(environment, files);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

test("nothing needs to be set", () => {
  expect(read({})).toMatchObject({
    port: 8080,
    host: "0.0.0.0",
    allowPlainHttp: false,
    registration: "closed",
    autoMigrate: true,
    accessTokenSeconds: 900,
    refreshTokenSeconds: 2_592_000,
    databaseUrl: undefined,
    databaseMaxPoolSize: 5,
    dataDir: "/usual",
    logLevel: "info",
  });
});

test("an empty value sets nothing", () => {
  const empty = Object.fromEntries(
    Object.values(variables).flatMap(({ names }) =>
      names.flatMap((name) => [
        [name, ""],
        [`${name}_FILE`, ""],
      ]),
    ),
  );
  expect(read(empty)).toEqual(read({}));
});

test("all problems are told at once, each with its variable", () => {
  const environment = {
    APP_PORT: "65536",
    PUBLIC_URL: "trails.example.org",
    ALLOW_PLAIN_HTTP: "maybe",
    TRUSTED_PROXIES: "10.0.0.0/99",
    TLS_CERT_FILE: "/cert.pem",
    DATABASE_URL: "mysql://db/x",
    DATABASE_MAX_POOL_SIZE: "1",
    JWT_SECRET: "short",
    ACCESS_TOKEN_TTL: "15 minutes",
    REFRESH_TOKEN_TTL: "0d",
    REGISTRATION: "friends",
    LOG_LEVEL: "loud",
    DATABASE_PASSWORD_FILE: "/nothing",
  };
  const problems = problemsOf(environment);
  const named = problems.map((problem) => problem.split(" ")[0] as string);
  expect(named.sort()).toEqual(Object.keys(environment).sort());
  const { message } = new ConfigError(problems);
  for (const problem of problems) expect(message).toContain(problem);
});

test("no message repeats a value, least of all a secret", () => {
  const secret = "s3cret%zz";
  for (const [name] of Object.values(variables).map(({ names }) => names)) {
    const told = problemsOf({ [name]: secret, [`${name}_FILE`]: "" }).join();
    expect(told).not.toContain("s3cret");
    expect(problemsOf({ [`${name}_FILE`]: "/file" }, { "/file": secret }).join()).not.toContain("s3cret");
  }
  expect(problemsOf({ DATABASE_URL: "postgres://u:s3cret%zz@db/x" }).join()).toMatch(
    /^DATABASE_URL (?!.*s3cret)/,
  );
  expect(problemsOf({ JWT_SECRET: "s3cret" }).join()).not.toContain("s3cret");
});

test.each([
  "https://trails.example.org/?a=1",
  "https://trails.example.org/#a",
  "https://a;b{}.example.org",
  "https://$(id).example.org",
])("PUBLIC_URL is a plain address, which %s is not", (PUBLIC_URL) => {
  expect(problemsOf({ PUBLIC_URL })).toEqual([expect.stringContaining("PUBLIC_URL must be a plain address")]);
});

test.each([
  "https://trails.example.org",
  "http://192.168.1.2:8080",
  "https://[fd00::1]:8443/trails/",
  "https://bücher.example",
])("PUBLIC_URL may be %s", (PUBLIC_URL) => {
  expect(problemsOf({ PUBLIC_URL })).toEqual([]);
});

test("is frozen", () => {
  const config = read({});
  expect(Object.isFrozen(config)).toBe(true);
  expect(() => Object.assign(config, { port: 1 })).toThrow();
});

describe("NAME_FILE", () => {
  test("reads a secret from a file, less the line break at its end", () => {
    const secret = "0123456789abcdef0123456789abcdef";
    const config = read({ JWT_SECRET_FILE: "/run/secrets/jwt" }, { "/run/secrets/jwt": `${secret}\n` });
    expect(config.jwtSecret).toBe(secret);
  });

  test("works for every variable, under all of its names", () => {
    const config = read(
      { PORT_FILE: "/port", FLYWAY_AUTO_MIGRATE_FILE: "/auto" },
      { "/port": "81", "/auto": "no" },
    );
    expect([config.port, config.autoMigrate]).toEqual([81, false]);
  });

  test("gives way to the variable itself", () => {
    expect(read({ APP_PORT: "82", APP_PORT_FILE: "/port" }, { "/port": "83" }).port).toBe(82);
  });

  test("is named when it cannot be read, or holds nonsense", () => {
    expect(problemsOf({ FLYWAY_AUTO_MIGRATE_FILE: "/gone" })).toEqual([
      "FLYWAY_AUTO_MIGRATE_FILE cannot be read (ENOENT)",
    ]);
    expect(problemsOf({ APP_PORT_FILE: "/port" }, { "/port": "x" })[0]).toMatch(/^APP_PORT_FILE must be/);
  });
});

describe("the environment over the env file", () => {
  const port = (environment: Environment, file: Environment, files = {}) =>
    read(layered(environment, file), files).port;

  test("what it sets counts, by whatever name", () => {
    expect(port({ APP_PORT: "81" }, { APP_PORT: "82" })).toBe(81);
    expect(port({ PORT: "81" }, { APP_PORT: "82" })).toBe(81);
    expect(port({ APP_PORT_FILE: "/port" }, { APP_PORT: "82" }, { "/port": "81" })).toBe(81);
  });

  test("what it leaves empty, the file sets", () => {
    expect(port({ APP_PORT: "" }, { APP_PORT: "82" })).toBe(82);
    expect(port({ HOME: "/root" }, { PORT: "82" })).toBe(82);
  });
});

describe("where the database is", () => {
  const target = (environment: Environment) => configuredTarget(read(environment));

  test("nowhere, when nothing says so: the embedded one", () => {
    expect(target({ DATABASE_PASSWORD: "x", DATABASE_NAME: "y" })).toBeNull();
  });

  test("a URL, also as JDBC writes it", () => {
    const expected = { host: "db", port: 5433, user: "ada", password: "p@ss/w", database: "trails" };
    expect(target({ DATABASE_URL: "postgres://ada:p%40ss%2Fw@db:5433/trails" })).toEqual(expected);
    expect(target({ DATABASE_URL: "jdbc:postgresql://ada:p%40ss%2Fw@db:5433/trails" })).toEqual(expected);
    const query = "jdbc:postgresql://db:5433/trails?user=ada&password=p%40ss%2Fw&sslmode=require";
    expect(target({ DATABASE_URL: query })).toEqual({ ...expected, ssl: "require" });
  });

  test("a JDBC URL with user and password beside it, as the Kotlin server has them", () => {
    const beside = {
      DATABASE_URL: "jdbc:postgresql://db/trails",
      DATABASE_USER: "ada",
      DATABASE_PASSWORD: "secret",
    };
    expect(target(beside)).toEqual({
      host: "db",
      port: 5432,
      user: "ada",
      password: "secret",
      database: "trails",
    });
    expect(target({ ...beside, DATABASE_URL: "postgres://eve:hers@db/trails" })).toMatchObject({
      user: "eve",
      password: "hers",
    });
  });

  test("parts", () => {
    const parts = {
      DATABASE_HOST: "db",
      DATABASE_USER: "ada",
      DATABASE_PASSWORD: "secret",
      DATABASE_SSL_MODE: "disable",
    };
    expect(target(parts)).toEqual({
      host: "db",
      port: 5432,
      user: "ada",
      password: "secret",
      database: "trailglass",
      ssl: false,
    });
  });

  test("DATABASE_SSL_MODE counts before what the URL says", () => {
    const url = "postgres://db/x?sslmode=disable";
    expect(target({ DATABASE_URL: url })).toMatchObject({ ssl: false });
    expect(target({ DATABASE_URL: url, DATABASE_SSL_MODE: "REQUIRE" })).toMatchObject({ ssl: "require" });
  });

  test.each([
    ["postgres://db/x?sslmode=verify-full", { ssl: "require" }],
    ["postgres://db/x?sslmode=allow", { ssl: "prefer" }],
    ["postgres://[::1]:5433/x", { host: "::1", port: 5433 }],
    ["postgres:///x?host=/run/postgresql&port=5433", { path: "/run/postgresql/.s.PGSQL.5433" }],
    ["postgres://db", { user: "trailglass", database: "trailglass", port: 5432 }],
    ["postgres://%C3%A4da@db/%C3%A4", { user: "äda", database: "ä" }],
  ])("%s", (url, expected) => {
    expect(parseDatabaseUrl(url)).toMatchObject(expected);
  });
});

describe("words, numbers and spans", () => {
  test.each([
    ["90s", 90],
    ["15m", 900],
    ["12h", 43_200],
    ["30d", 2_592_000],
  ])("%s", (text, seconds) => expect(read({ ACCESS_TOKEN_TTL: text }).accessTokenSeconds).toBe(seconds));

  test.each(["", "0s", "15", "m", "1.5h", "-1d", "1w", "15M", " 15m", "1000000d"].filter(Boolean))(
    "%p is no time span",
    (text) =>
      expect(problemsOf({ ACCESS_TOKEN_TTL: text })[0]).toStartWith("ACCESS_TOKEN_TTL must be a time span"),
  );

  test.each([
    ["TRUE", true],
    ["1", true],
    ["yes", true],
    ["on", true],
    ["False", false],
    ["0", false],
    ["no", false],
    ["off", false],
  ])("%s", (text, value) => expect(read({ ALLOW_PLAIN_HTTP: text }).allowPlainHttp).toBe(value));

  test.each(["-1", "65536", "1e3", "0x50", "80.5", "eighty", "9".repeat(30)])("%s is no port", (text) => {
    expect(problemsOf({ APP_PORT: text })).toHaveLength(1);
  });

  test("words in any case, and older names", () => {
    expect(read({ REGISTRATION: "OPEN", LOG_LEVEL: "Debug" })).toMatchObject({
      registration: "open",
      logLevel: "debug",
    });
    expect(read({ PORT: "81" }).port).toBe(81);
    expect(read({ PORT: "81", APP_PORT: "82" }).port).toBe(82);
    expect(read({ FLYWAY_AUTO_MIGRATE: "false" }).autoMigrate).toBe(false);
  });
});

describe("TRUSTED_PROXIES", () => {
  const trusts = (text: string | undefined, address: string) =>
    isWithin(address, read({ TRUSTED_PROXIES: text }).trustedProxies);

  test.each([
    "127.0.0.1",
    "127.9.9.9",
    "::1",
    "10.1.2.3",
    "172.31.255.255",
    "192.168.0.1",
    "fd00::1",
    "::ffff:10.0.0.1",
  ])("%s is trusted by default", (address) => expect(trusts(undefined, address)).toBe(true));

  test.each(["8.8.8.8", "172.32.0.1", "11.0.0.1", "2001:db8::1", "localhost", "", "10.0.0.256"])(
    "%p is not",
    (address) => expect(trusts(undefined, address)).toBe(false),
  );

  test("none trusts nobody, and a list whom it names", () => {
    expect(trusts("none", "127.0.0.1")).toBe(false);
    expect(trusts("Loopback", "127.0.0.1")).toBe(true);
    expect(trusts("loopback", "10.0.0.1")).toBe(false);
    expect(trusts(" 203.0.113.0/24 , 2001:db8::1 ", "203.0.113.77")).toBe(true);
    expect(trusts("203.0.113.0/24,2001:db8::1", "2001:db8::2")).toBe(false);
  });

  test.each(["10.0.0.0/33", "10.0.0", "10/8", "0x7f000001", "proxy.local", "10.0.0.1/", "loop back"])(
    "%s is refused",
    (text) => {
      expect(problemsOf({ TRUSTED_PROXIES: text })[0]).toStartWith("TRUSTED_PROXIES must list");
    },
  );
});

test("a certificate without its key is refused, and a key without its certificate", () => {
  for (const name of ["TLS_CERT_FILE", "TLS_KEY_FILE"]) {
    expect(problemsOf({ [name]: "/x.pem" })).toEqual([
      expect.stringMatching(/^TLS_CERT_FILE and TLS_KEY_FILE/),
    ]);
  }
  expect(problemsOf({ TLS_CERT_FILE: "/c.pem", TLS_KEY_FILE: "/k.pem" })).toEqual([]);
});

describe("misspelt names", () => {
  test("are told, with the nearest one that means something", () => {
    expect(warnUnknown(["TRAILGLASS_APP_PROT", "TRAILGLASS_REGISTRATON", "HOME", "APP_PROT"])).toEqual([
      "TRAILGLASS_APP_PROT is not a setting; did you mean APP_PORT?",
      "TRAILGLASS_REGISTRATON is not a setting; did you mean REGISTRATION?",
    ]);
  });

  test("are not what the program itself reads", () => {
    expect(warnUnknown(["TRAILGLASS_CONFIG", "PATH"])).toEqual([]);
  });
});

describe("the documentation", () => {
  test("is what the variables say; after a change, run bun scripts/generate-docs.ts", async () => {
    expect(await Bun.file(configurationPath).text()).toBe(configurationPage());
  });

  test("has a row for every variable, and its default", () => {
    const table = describeVariables();
    expect(table.match(/^\| `/gm)).toHaveLength(Object.keys(variables).length);
    for (const { names, fallbackNote } of Object.values(variables)) {
      for (const name of names) expect(table).toContain(`\`${name}\``);
      expect(table).toMatch(
        new RegExp(`^\\| .*\\b${names[0]}\`.* \\| ${RegExp.escape(fallbackNote)} +\\| `, "m"),
      );
    }
  });

  test("marks what is secret for whoever shows a configuration", () => {
    const secret = Object.values(variables)
      .filter(({ secret }) => secret)
      .map(({ names }) => names[0]);
    expect(secret).toEqual([
      "DATABASE_URL",
      "DATABASE_PASSWORD",
      "JWT_SECRET",
      "STORAGE_SECRET_KEY",
      "SMTP_PASSWORD",
      "REDIS_URL",
      "METRICS_TOKEN",
      "CLOUDFLARE_ACCESS_CLIENT_SECRET",
      "BACKUP_PASSPHRASE",
      "BACKUP_S3_SECRET_KEY",
    ]);
  });

  test("when something is done is a time of day, a cron pattern, or off", () => {
    const read = (text: string) => variables.backupSchedule.read.safeParse(text).data;
    expect(["03:30", "3:05 daily", "23:59"].map(read)).toEqual(["30 3 * * *", "5 3 * * *", "59 23 * * *"]);
    expect(["*/10 * * * *", "off"].map(read)).toEqual(["*/10 * * * *", null]);
    for (const wrong of ["24:00", "3", "* * * *", "* * * * * *", "61 * * * *", "soon", "0 0 31 2 *"])
      expect(read(wrong)).toBeUndefined();
  });
});

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SMTPServer } from "smtp-server";
import { examineCertificate } from "../../cli/setup/checks/certificate.ts";
import { clockProblem, examineClock } from "../../cli/setup/checks/clock.ts";
import { barrier, examineFolder, permits } from "../../cli/setup/checks/folder.ts";
import type { Machine, ServiceAccount } from "../../cli/setup/machine.ts";
import { findMinio, type S3Server, startMinio } from "../support/minio.ts";
import { freePort, makePlace, type Outcome, type Place } from "../support/setup-runs.ts";
import { createTestDatabase, type TestDatabase } from "../support/shared-postgres.ts";

let database: TestDatabase;
let place: Place;
beforeAll(async () => {
  database = await createTestDatabase();
  place = makePlace();
});
afterAll(async () => {
  place.remove();
  await database.drop();
});

/** Puts a text into a file. @returns its path */
function put(name: string, text: string): string {
  const path = join(place.folder, name);
  writeFileSync(path, text);
  return path;
}

/** Setup with defaults, a database that is there, and more flags. */
async function setup(...flags: string[]): Promise<Outcome> {
  const usual = ["--yes", "--data-dir", place.dataDir, "--port", `${await freePort()}`];
  const own = flags.some((flag) => flag.startsWith("--database"))
    ? []
    : ["--database-url-file", put("url", database.url)];
  return place.setup([...usual, ...own, ...flags]);
}

/** What is not to be written when something severe is found. */
const written = () => readdirSync(place.folder).filter((name) => name === "etc" || name === "data");

async function refuses(message: string | RegExp, ...flags: string[]): Promise<void> {
  const { code, err, out } = await setup(...flags);
  expect(err).toMatch(message);
  expect([code, out]).toEqual([1, ""]);
  expect(written()).toEqual([]);
}

describe("the database", () => {
  test("that refuses the password", async () => {
    const url = new URL(database.url);
    url.username = "nobody_of_that_name";
    url.password = "s3cret";
    const { code, err } = await setup("--database-url-file", put("wrong", url.href));
    expect([code, err.includes("s3cret")]).toEqual([1, false]);
    expect(err).toContain('refuses the user "nobody_of_that_name" or the password');
    expect(written()).toEqual([]);
  });

  test("that is not there", () =>
    refuses(
      /No database answers at 127.0.0.1:1 \(ECONNREFUSED\)/,
      "--database-url",
      "postgres://u@127.0.0.1:1/d",
    ));

  test("in which no tables may be made", async () => {
    const { connect, parseDatabaseUrl } = await import("../../src/database/client.ts");
    const admin = connect(parseDatabaseUrl(database.url), 1);
    const user = `reader_${crypto.randomUUID().slice(0, 8)}`;
    await admin.sql.unsafe(
      `CREATE ROLE ${user} LOGIN PASSWORD 'x'; REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${user}`,
    );
    try {
      const url = new URL(database.url);
      url.username = user;
      url.password = "x";
      await refuses("may not create tables", "--database-url-file", put("reader", url.href));
    } finally {
      await admin.sql.unsafe(`DROP OWNED BY ${user}; DROP ROLE ${user}`);
      await admin.close();
    }
  });
});

describe("the port", () => {
  test("that another program has", async () => {
    const other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello") });
    try {
      await refuses(`Port ${other.port} is taken by another program`, "--port", `${other.port}`);
    } finally {
      await other.stop(true);
    }
  });
});

describe("a folder", () => {
  const machine = { account: null } as Machine;
  const needs = { minimum: 1, runsPrograms: false };

  test("that is a file", () => refuses("is not a folder", "--data-dir", put("file", "")));

  test("that is not writable", () => {
    expect(examineFolder("/proc/trailglass", machine, needs)[0]?.message).toContain("/proc is not writable");
  });

  test("without room", () => {
    const [problem] = examineFolder(place.folder, machine, { ...needs, minimum: 1e18 });
    expect(problem).toMatchObject({ bearable: true });
    expect(problem?.message).toMatch(/^Only .* are free/);
  });

  test("from which nothing can be run", () => {
    const [problem] = examineFolder("/proc/self", { account: null } as Machine, {
      minimum: 0,
      runsPrograms: true,
    });
    // Where /proc can be written by nobody, that comes first.
    expect(problem?.message).toMatch(/noexec|not writable/);
  });

  test("that the server's user may not enter, or not write", () => {
    const account: ServiceAccount = { name: "trailglass", uid: 4242, groups: [4242, 7] };
    const closed = join(place.folder, "closed");
    mkdirSync(join(closed, "inside"), { recursive: true });
    Bun.spawnSync(["chmod", "700", closed]);
    expect(barrier(join(closed, "inside/data"), account)).toBe(closed);
    const [problem] = examineFolder(join(closed, "data"), { account } as Machine, needs);
    expect(problem?.message).toContain(`may not enter ${closed}`);
    writeFileSync(join(place.folder, "closed/inside/x"), "");
    Bun.spawnSync(["chmod", "755", closed]);
    const [full] = examineFolder(join(closed, "inside"), { account } as Machine, needs);
    expect(full?.message).toContain("holds other things");
    rmSync(closed, { recursive: true });
  });

  test("permissions count by owner, then group, then others", () => {
    const account: ServiceAccount = { name: "x", uid: 5, groups: [6, 7] };
    expect(permits({ uid: 5, gid: 0, mode: 0o077 }, account, 4)).toBe(false);
    expect(permits({ uid: 1, gid: 7, mode: 0o040 }, account, 4)).toBe(true);
    expect(permits({ uid: 1, gid: 7, mode: 0o004 }, account, 4)).toBe(false);
    expect(permits({ uid: 1, gid: 8, mode: 0o005 }, account, 5)).toBe(true);
  });
});

describe("a certificate", () => {
  const folder = mkdtempSync(join(tmpdir(), "trailglass-cert-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const day = 86_400_000;

  function make(name: string): { certFile: string; keyFile: string } {
    const files = { certFile: join(folder, `${name}.pem`), keyFile: join(folder, `${name}.key`) };
    const subject = ["-subj", "/CN=x", "-addext", "subjectAltName=DNS:trails.example.org,IP:192.168.7.7"];
    const made = Bun.spawnSync([
      ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-days", "90", "-keyout", files.keyFile, "-out", files.certFile, ...subject],
    ]);
    expect(made.exitCode).toBe(0);
    return files;
  }
  const good = make("good");
  const look = (files: { certFile: string; keyFile: string }, publicUrl?: string, now?: number) =>
    examineCertificate({ ...files, publicUrl }, null, now).map(({ message }) => message);

  test("that is good", () => {
    expect(look(good)).toEqual([]);
    expect(look(good, "https://trails.example.org:8443")).toEqual([]);
    expect(look(good, "https://192.168.7.7")).toEqual([]);
  });

  test("and a key that does not belong to it", () => {
    const { keyFile } = make("other");
    expect(look({ ...good, keyFile })).toEqual([
      `${keyFile} is not the key that belongs to ${good.certFile}.`,
    ]);
  });

  test("for another host, too old, too new, or soon to end", () => {
    expect(look(good, "https://else.example.org")).toEqual([
      "The certificate is not for else.example.org: phones would refuse it.",
    ]);
    expect(look(good, undefined, Date.now() + 91 * day)[0]).toContain("ran out on");
    expect(look(good, undefined, Date.now() - day)[0]).toContain("not valid before");
    expect(look(good, undefined, Date.now() + 80 * day)[0]).toContain("runs out on");
  });

  test("that is no PEM file, or not there", () => {
    const nonsense = join(folder, "nonsense");
    writeFileSync(nonsense, "x");
    expect(look({ ...good, certFile: nonsense })).toEqual([`${nonsense} is no PEM certificate.`]);
    expect(look({ ...good, keyFile: nonsense })).toEqual([`${nonsense} is no PEM private key.`]);
    expect(look({ ...good, keyFile: "/nowhere" })).toEqual(["/nowhere cannot be read (ENOENT)."]);
  });

  test("that the server's user may not read", () => {
    const account: ServiceAccount = { name: "trailglass", uid: 4242, groups: [4242] };
    const open = { ...good, publicUrl: undefined };
    Bun.spawnSync(["chmod", "755", folder]);
    Bun.spawnSync(["chmod", "600", good.keyFile]);
    const [problem] = examineCertificate(open, account);
    expect(problem?.message).toContain(`who may not read ${good.keyFile}`);
  });

  test("stops setup", () =>
    refuses(
      "is not the key",
      "--reach",
      "tls",
      "--tls-cert",
      good.certFile,
      "--tls-key",
      make("third").keyFile,
    ));
});

describe("the address", () => {
  test("in clear is for a local network", () =>
    refuses("must begin with https://", "--reach", "nginx", "--public-url", "http://trails.example.org"));

  test("of the internet in clear is warned of", async () => {
    const { code, err } = await setup("--reach", "lan", "--public-url", "http://trails.example.org");
    expect([code, err.includes("trails.example.org is not in a local network")]).toEqual([0, true]);
    rmSync(join(place.folder, "etc"), { recursive: true });
    rmSync(place.dataDir, { recursive: true });
  });
});

describe("mail", () => {
  test("that is refused is a warning: the server may be down today", async () => {
    const server = new SMTPServer({
      authOptional: true,
      hideSTARTTLS: true,
      onAuth: (_auth, _session, done) => done(new Error("no")),
    });
    server.on("error", () => {});
    const port = await freePort();
    await new Promise<void>((resolve) => void server.listen(port, "127.0.0.1", resolve));
    try {
      const flags = ["--smtp-host", "127.0.0.1", "--smtp-port", `${port}`, "--smtp-from", "a@example.org"];
      const { code, err } = await setup(
        ...flags,
        "--smtp-username",
        "u",
        "--smtp-password-file",
        put("smtp", "s3cret"),
      );
      expect(code).toBe(0);
      expect(err).toMatch(/Warning: .*(mail|127\.0\.0\.1)/i);
      expect(err).not.toContain("s3cret");
      expect(readFileSync(place.envFile, "utf8")).toMatch(
        /^EMAIL_ENABLED=true\nEMAIL_PROVIDER=smtp\nSMTP_HOST=127.0.0.1$/m,
      );
    } finally {
      await new Promise<void>((resolve) => void server.close(() => resolve()));
      rmSync(join(place.folder, "etc"), { recursive: true, force: true });
      rmSync(place.dataDir, { recursive: true, force: true });
    }
  });
});

const minio = findMinio();
describe.skipIf(minio === null)("a bucket", () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startMinio(minio as string);
  });
  const flags = (bucket: string, key: string) => [
    ...["--photos", "s3", "--storage-endpoint", server.endpoint, "--storage-bucket", bucket],
    ...["--storage-access-key", server.accessKey, "--storage-secret-key-file", put("key", key)],
  ];

  test("of a wrong key", async () => {
    await refuses("the secret key is wrong", ...flags("trails", "s3cret-s3cret"));
  });

  test("that is missing is made, also that of the backups", async () => {
    const copy = [
      ...["--backup-s3-endpoint", server.endpoint, "--backup-s3-bucket", "copies"],
      ...[
        "--backup-s3-access-key",
        server.accessKey,
        "--backup-s3-secret-key-file",
        put("key2", server.secretKey),
      ],
    ];
    const { code, out, err } = await setup(...flags("trails", server.secretKey), ...copy);
    expect([code, err.includes(server.secretKey)]).toEqual([0, false]);
    expect(out).toContain("Made the bucket trails.");
    expect(out).toContain("Made the bucket copies.");
    // What leaves the machine is encrypted unasked.
    expect(statSync(join(place.folder, "etc/backup-passphrase")).isFile()).toBe(true);
    const again = await place.setup(["--yes"]);
    expect([again.code, again.out.includes("Made the bucket")]).toEqual([0, false]);
  });
});

describe("the clock", () => {
  test("is compared with those of others", () => {
    const now = Date.now();
    expect(clockProblem("x", now - 30_000, now)).toEqual([]);
    expect(clockProblem("x", now - 90_000, now)[0]?.message).toContain("90 s ahead of that of x");
    expect(clockProblem("x", now + 90_000, now)[0]?.message).toContain("90 s behind that of x");
  });

  test("with that of a web server within reach", async () => {
    const date = new Date(Date.now() + 3_600_000).toUTCString();
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => new Response(null, { headers: { date } }),
    });
    const config = { publicUrl: server.url.href, storageBackend: "database" } as Parameters<
      typeof examineClock
    >[0];
    try {
      const [problem] = await examineClock(config);
      expect(problem?.message).toMatch(/3(599|600|601) s behind that of 127/);
      expect(problem?.bearable).toBe(true);
    } finally {
      await server.stop(true);
    }
  });
});

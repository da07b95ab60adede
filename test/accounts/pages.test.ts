import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { createInvite } from "../../src/accounts/invites.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { goodPassword, instantHasher, login, register, sendLogin, statusOf } from "./people.ts";

const publicUrl = "https://trails.example.org";
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ publicUrl, registration: "closed" }, { hasher: instantHasher });
  await register(server);
});
afterAll(() => server.stop());

const next = "another good one";

interface Shown {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The page's heading. */
  readonly title: string;
  /** What it says is wrong with fields, by their names. */
  readonly wrong: Record<string, string>;
}

async function toShown(response: Response): Promise<Shown> {
  const text = await response.text();
  const notes = text.matchAll(/<p class="wrong" id="(\w+)-note">([^<]*)</g);
  return {
    status: response.status,
    headers: response.headers,
    text,
    title: /<h1>([^<]*)</.exec(text)?.[1] ?? "",
    wrong: Object.fromEntries([...notes].map(([, name, said]) => [name, said])),
  };
}

const look = async (path: string, token?: string) =>
  toShown(
    await fetch(`${server.url}${path}${token === undefined ? "" : `?token=${encodeURIComponent(token)}`}`),
  );
const send = async (path: string, fields: Record<string, string>) =>
  toShown(
    await fetch(`${server.url}${path}`, {
      method: "POST",
      body: new URLSearchParams(fields),
      redirect: "manual",
    }),
  );
/** What a browser sends that shows the page: its hidden fields, and what is typed. */
function fill({ text }: Shown, typed: Record<string, string>): Record<string, string> {
  const inputs = [...text.matchAll(/<input [^>]*name="(\w+)"[^>]*value="([^"]*)"/g)];
  return { ...Object.fromEntries(inputs.map(([, name, value]) => [name, value])), ...typed };
}
const twice = (newPassword: string) => ({ newPassword, repeated: newPassword });

let people = 0;
async function person(): Promise<{ email: string; password: string }> {
  const account = { email: `page${++people}@example.org`, displayName: "Ada", password: goodPassword };
  await server.context.registration.create(account);
  return account;
}
async function resetTokenFor(email: string): Promise<string> {
  server.context.passwordReset.request(email);
  await server.context.passwordReset.settle();
  await server.context.worker.runDue();
  const line = server.logs.findLast(({ mail }) => mail === "password-reset");
  return new URL(String(line?.link)).searchParams.get("token") as string;
}

describe("/reset-password", () => {
  test("sets the password, once, and ends every session", async () => {
    const ada = await person();
    const signedIn = await login(server, ada);
    const token = await resetTokenFor(ada.email);
    const page = await look("/reset-password", token);
    expect([page.status, page.title]).toEqual([200, "Choose a new password"]);
    const done = await send("/reset-password", fill(page, twice(next)));
    expect([done.status, done.title]).toEqual([200, "Your new password is set"]);
    expect(await statusOf(server, signedIn)).toBe(401);
    expect((await sendLogin(server, { ...ada, password: next })).status).toBe(200);
    const again = await send("/reset-password", fill(page, twice("yet another one")));
    expect([again.status, again.title]).toEqual([400, "This link is no good any more"]);
    expect((await look("/reset-password", token)).status).toBe(400);
  });

  test("is not used up by looking at it, as scanners of mails do", async () => {
    const ada = await person();
    const token = await resetTokenFor(ada.email);
    for (let n = 0; n < 3; n++) expect((await look("/reset-password", token)).status).toBe(200);
    await fetch(`${server.url}/reset-password?token=${token}`, { method: "HEAD" });
    expect((await send("/reset-password", { token, ...twice(next) })).status).toBe(200);
  });

  test("says what is wrong with a password, and takes a better one", async () => {
    const ada = await person();
    const token = await resetTokenFor(ada.email);
    let page = await look("/reset-password", token);
    for (const [typed, wrong] of [
      [twice("short"), { newPassword: "It must have 8 to 256 characters." }],
      [twice("password1"), { newPassword: expect.stringContaining("attackers") }],
      [twice(ada.email), { newPassword: expect.stringContaining("email") }],
      [{ newPassword: next, repeated: `${next}!` }, { repeated: "It is not the same." }],
      [{ newPassword: next }, { repeated: "It is missing." }],
    ] as [Record<string, string>, Record<string, string>][]) {
      const { repeated: _repeated, ...hidden } = fill(page, {});
      page = await send("/reset-password", { ...hidden, ...typed });
      expect([page.status, page.title]).toEqual([400, "Choose a new password"]);
      expect(page.wrong).toEqual(wrong);
      expect(page.text).not.toContain(`value="${typed.newPassword}"`);
    }
    expect((await send("/reset-password", fill(page, twice(next)))).status).toBe(200);
  });

  test("takes a password as the API does, however it is spelt", async () => {
    const ada = await person();
    const token = await resetTokenFor(ada.email);
    const spelt = "caf\u0065\u0301 & <crème> + 100 %";
    expect((await send("/reset-password", { token, ...twice(spelt) })).status).toBe(200);
    expect((await sendLogin(server, { ...ada, password: spelt.normalize("NFC") })).status).toBe(200);
  });

  test("asks for the code where the address has none", async () => {
    const ada = await person();
    const page = await look("/reset-password");
    expect(page.text).toContain("Code from the mail");
    const token = ` ${await resetTokenFor(ada.email)} `;
    expect((await send("/reset-password", fill(page, { token, ...twice(next) }))).status).toBe(200);
  });

  test.each(["", "nonsense", "x".repeat(500), "a\u0000b", '"><script>alert(1)</script>'])(
    "is a clear page for the token %p",
    async (token) => {
      for (const page of [
        await look("/reset-password", token),
        await send("/reset-password", { token, ...twice(next) }),
        await send("/reset-password", { token, ...twice("short") }),
      ]) {
        expect([page.status, page.title]).toEqual([400, "This link is no good any more"]);
        expect(page.text).not.toContain("<script");
      }
    },
  );

  test("is a clear page for a token whose time is over", async () => {
    const token = await resetTokenFor((await person()).email);
    await server.context.db.execute(sql`UPDATE password_reset_tokens SET expires_at = now()`);
    expect((await look("/reset-password", token)).status).toBe(400);
    expect((await send("/reset-password", { token, ...twice(next) })).status).toBe(400);
  });

  test("answers a failure of ours with a page, too", async () => {
    const token = await resetTokenFor((await person()).email);
    const { db } = server.context;
    await db.execute(sql`ALTER TABLE password_reset_tokens RENAME TO tokens_away`);
    const page = await look("/reset-password", token);
    await db.execute(sql`ALTER TABLE tokens_away RENAME TO password_reset_tokens`);
    expect(page.status).toBe(500);
    expect(page.headers.get("content-type")).toStartWith("text/html");
    expect(page.text).not.toMatch(/password_reset_tokens|relation|select/i);
    expect(page.text).toContain(page.headers.get("x-request-id") as string);
  });
});

describe("a form", () => {
  test.each([
    ["of another kind", { body: "{}", headers: { "Content-Type": "application/json" } }, 415],
    ["of no kind", { body: new Uint8Array(3) }, 415],
    ["that is too large", { body: new URLSearchParams({ token: "x".repeat(20_000) }) }, 413],
  ])("%s is refused, by a page", async (_what, init, status) => {
    for (const path of ["/reset-password", "/invite"]) {
      const response = await fetch(`${server.url}${path}`, { method: "POST", ...(init as RequestInit) });
      expect(response.status).toBe(status);
      expect(response.headers.get("content-type")).toStartWith("text/html");
    }
  });
});

describe("/invite", () => {
  const invited = async (email: string | null = null) =>
    (await createInvite(server.context.db, email, 3600)).token;

  test("makes an account, once, though registration is closed, and says where to sign in", async () => {
    const email = "Ben@example.org";
    const token = await invited(email);
    const page = await look("/invite", token);
    expect([page.status, page.title]).toEqual([200, "Make your account"]);
    expect(page.text).toMatch(/name="email"[^>]*value="Ben@example.org"[^>]* readonly/);
    const typed = { displayName: " Ben <3 ", ...twice(next) };
    // Whatever a browser is made to send: the invite is for one address.
    const done = await send("/invite", fill(page, { ...typed, email: "eve@evil.example" }));
    expect([done.status, done.title]).toEqual([201, "Your account is made"]);
    expect(done.text).toContain(`server address <strong>${publicUrl}</strong>`);
    const signedIn = await sendLogin(server, { email, password: next });
    expect(signedIn.json).toMatchObject({ email, displayName: "Ben <3" });
    expect((await sendLogin(server, { email: "eve@evil.example", password: next })).status).toBe(401);
    const again = await send("/invite", fill(page, typed));
    expect([again.status, again.title]).toEqual([403, "This invitation is no good any more"]);
    // No device came with it: the first one to sign in is none that the account had not seen.
    const [row] = await server.context.db.execute(sql`SELECT count(*) AS mails FROM jobs WHERE kind = 'mail'
      AND owner_id = ${signedIn.json.userId}`);
    expect(row?.mails).toBe(0);
  });

  test("of ten people with one invite, one gets an account", async () => {
    const token = await invited();
    const pages = await Promise.all(
      Array.from({ length: 10 }, (_one, n) =>
        send("/invite", { token, displayName: "A", email: `crowd${n}@example.org`, ...twice(next) }),
      ),
    );
    expect(pages.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(403)]);
    const [row] = await server.context.db.execute(
      sql`SELECT count(*) AS made FROM users WHERE email LIKE 'crowd%'`,
    );
    expect(row?.made).toBe(1);
  });

  test("says what is wrong, keeps what was typed but the password, and is not used up", async () => {
    const { email: taken } = await person();
    const token = await invited();
    const page = await look("/invite", token);
    const typed = { displayName: 'Cleo "<b>"', email: taken, ...twice(next) };
    const conflict = await send("/invite", fill(page, typed));
    expect([conflict.status, conflict.wrong]).toEqual([
      409,
      { email: "It is registered already; sign in in the app." },
    ]);
    expect(conflict.text).toContain('value="Cleo &quot;&lt;b&gt;&quot;"');
    expect(conflict.text).not.toContain(next);
    const bad = await send("/invite", fill(page, { displayName: " ", email: "cleo", ...twice("short") }));
    expect([bad.status, Object.keys(bad.wrong).sort()]).toEqual([
      400,
      ["displayName", "email", "newPassword"],
    ]);
    const like = await send(
      "/invite",
      fill(page, { ...typed, email: "cleo-long@example.org", ...twice("cleo-long") }),
    );
    expect(like.wrong).toEqual({ newPassword: expect.stringContaining("email") });
    const differs = { ...typed, email: "cleo@example.org", repeated: "x" };
    expect((await send("/invite", fill(page, differs))).wrong).toEqual({ repeated: "It is not the same." });
    const good = fill(page, { ...typed, email: "cleo@example.org" });
    expect((await send("/invite", good)).status).toBe(201);
  });

  test("is a clear page for an invite that is no good", async () => {
    const { token: late } = await createInvite(server.context.db, null, -1);
    for (const token of [late, "nonsense", ""]) {
      const typed = { token, displayName: "A", email: "late@example.org", ...twice(next) };
      for (const page of [await look("/invite", token), await send("/invite", typed)])
        expect([page.status, page.title]).toEqual([403, "This invitation is no good any more"]);
    }
  });
});

test("pages load nothing, run nothing, and tell nobody where they stand", async () => {
  const token = await resetTokenFor((await person()).email);
  const pages = [
    await look("/reset-password", token),
    await look("/reset-password", "nonsense"),
    await send("/reset-password", { token, ...twice("short") }),
    await send("/reset-password", { token, ...twice(next) }),
    await look("/invite"),
    await look("/invite", "nonsense"),
  ];
  for (const { headers, text } of pages) {
    const style = /<style>([\s\S]*)<\/style>/.exec(text)?.[1] ?? "";
    const hash = new Bun.CryptoHasher("sha256").update(style).digest("base64");
    expect(headers.get("content-security-policy")).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`,
    );
    expect(Object.fromEntries(headers)).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
      "x-frame-options": "DENY",
      "x-content-type-options": "nosniff",
    });
    expect(headers.get("location")).toBeNull();
    expect(text).toContain('<html lang="en">');
    expect(text).not.toMatch(/<script|<link|<img|style="|https?:|src=/);
    const labels = [...text.matchAll(/<label for="(\w+)"/g)].map(([, name]) => name);
    const inputs = [...text.matchAll(/<input id="(\w+)"/g)].map(([, name]) => name);
    expect(inputs).toEqual(labels);
  }
});

test("the log has the path, and nothing of what stands behind it or in a form", async () => {
  const before = server.logs.length;
  const { token } = await createInvite(server.context.db, null, 3600);
  await look("/invite", token);
  await look("/reset-password", token);
  await send("/reset-password", { token, ...twice("canary password") });
  const form = { token, displayName: "Canary", email: "canary@example.org", ...twice("canary password") };
  await send("/invite", form);
  const lines = JSON.stringify(server.logs.slice(before));
  expect(lines).toContain('"path":"/invite"');
  for (const secret of [token, "canary", "Canary"]) expect(lines).not.toContain(secret);
});

test("a page is not what answers elsewhere, or another method", async () => {
  for (const [method, path, status] of [
    ["GET", "/reset-passwords", 404],
    ["PUT", "/reset-password", 405],
    ["DELETE", "/invite", 405],
  ] as const) {
    const response = await fetch(`${server.url}${path}`, { method });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: expect.any(String), details: null });
  }
});

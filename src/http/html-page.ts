import { AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import { logError, toAppError } from "./error-response.ts";
import type { RequestState } from "./request-state.ts";

/** Text that is HTML already. */
export class Html {
  constructor(readonly text: string) {}
}

type Value = string | Html | readonly Html[];

function toText(value: Value): string {
  if (typeof value === "string") return Bun.escapeHTML(value);
  return value instanceof Html ? value.text : value.map(({ text }) => text).join("");
}

/** Makes HTML; whatever is put in as text is escaped. */
export function html(parts: TemplateStringsArray, ...values: Value[]): Html {
  return new Html(String.raw({ raw: parts }, ...values.map(toText)));
}

const style = `
:root { color-scheme: light dark; --ink: #1d2126; --paper: #fff; --soft: #5a6472; --line: #8a94a3; --act: #0b5cad; --act-ink: #fff; --wrong: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaed; --paper: #16191d; --soft: #a8b1bd; --line: #6b7583; --act: #8ab8f0; --act-ink: #10233a; --wrong: #ff9d94; }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem 1.25rem; background: var(--paper); color: var(--ink); font: 1.0625rem/1.5 system-ui, sans-serif; }
main { max-width: 26rem; margin: 0 auto; overflow-wrap: anywhere; }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25; }
.name, .hint { color: var(--soft); font-size: .9375rem; }
.name { margin: 0 0 .25rem; }
.hint, .wrong { margin: -.25rem 0 .35rem; }
.wrong { color: var(--wrong); font-weight: 600; }
label { display: block; margin: 1.25rem 0 .35rem; font-weight: 600; }
input, button { width: 100%; padding: .65rem .75rem; border: 1px solid var(--line); border-radius: .5rem; background: transparent; color: inherit; font: inherit; }
input[aria-invalid] { border-color: var(--wrong); }
input:read-only { color: var(--soft); }
button { margin-top: 1.75rem; border-color: var(--act); background: var(--act); color: var(--act-ink); font-weight: 600; cursor: pointer; }
:focus-visible { outline: 3px solid var(--act); outline-offset: 2px; }
`;

const styleHash = new Bun.CryptoHasher("sha256").update(style).digest("base64");

/** Nothing is loaded and nothing runs; forms go to this server, and no other site shows the page as its own. */
const policy = [
  "default-src 'none'",
  `style-src 'sha256-${styleHash}'`,
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join("; ");

const headers = {
  "Content-Type": "text/html; charset=utf-8",
  "Content-Security-Policy": policy,
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-store",
};

export interface Page {
  readonly title: string;
  readonly body: Html;
  readonly status?: number;
  readonly headers?: Record<string, string>;
}

/** A page for people with a browser: it needs no scripts, and loads nothing. */
export function htmlPage({ title, body, status = 200, headers: more = {} }: Page): Response {
  const { text } = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} – Trailglass</title>
<style>${new Html(style)}</style>
</head>
<body>
<main>
<p class="name">Trailglass</p>
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`;
  return new Response(text, { status, headers: { ...headers, ...more } });
}

const titles: Partial<Record<AppError["code"], string>> = {
  SERVICE_UNAVAILABLE: "Not just now",
  PAYLOAD_TOO_LARGE: "That is too much",
  RATE_LIMIT_EXCEEDED: "Not so fast",
};

/** A page about what went wrong; details of what is our fault go to the log only. */
function problemPage(log: Log, error: unknown, state: RequestState | undefined): Response {
  const told = toAppError(error);
  logError(log, error, told, state);
  const title = titles[told.code] ?? "Something is wrong";
  const body = html`<p role="alert">${told.message}.</p>
<p class="hint">Request ${state?.id ?? "unknown"}</p>`;
  return htmlPage({ title, body, status: told.status, headers: told.extras.headers ?? {} });
}

/** Makes a page; what its making throws is told by a page, too. */
export async function showPage(
  { log, state }: { log: Log; state: RequestState | undefined },
  make: () => Promise<Page>,
): Promise<Response> {
  try {
    return htmlPage(await make());
  } catch (error) {
    return problemPage(log, error, state);
  }
}

/** What is wrong with the fields of a form, by their names; null when an error is about something else. */
export function wrongFields(error: unknown): Record<string, string> | null {
  return error instanceof AppError && error.code === "VALIDATION_ERROR"
    ? (error.extras.details ?? null)
    : null;
}

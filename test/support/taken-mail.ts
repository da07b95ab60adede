import type { TakenMail } from "./smtp-server.ts";

/** Headers by their name in lower case, unfolded. */
export function headersOf({ source }: Pick<TakenMail, "source">): Map<string, string> {
  const [head = ""] = source.split("\r\n\r\n");
  const lines = head.replace(/\r\n[ \t]/g, " ").split("\r\n");
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 2)]),
  );
}

function decode(part: string): string {
  const [head = "", ...rest] = part.split("\r\n\r\n");
  const body = rest.join("\r\n\r\n");
  if (/base64/i.test(head)) return Buffer.from(body, "base64").toString();
  if (!/quoted-printable/i.test(head)) return body;
  const joined = body.replace(/=\r\n/g, "");
  const bytes = joined.replace(/=([0-9A-F]{2})/g, (_all, hex) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, "latin1").toString();
}

/** The plain text and the HTML of a mail. */
export function bodiesOf({ source }: Pick<TakenMail, "source">): { text: string; html: string } {
  const boundary = /boundary="([^"]+)"/.exec(source)?.[1] ?? "none";
  const [, text = "", html = ""] = source.split(`--${boundary}`);
  return { text: decode(text.trimStart()), html: decode(html.trimStart()) };
}

/** The token in the link of a mail, or its code. */
export function tokenIn(mail: Pick<TakenMail, "source">): string {
  const { text } = bodiesOf(mail);
  return /\?token=(\S+)/.exec(text)?.[1] ?? /^[\w-]{43}$/m.exec(text)?.[0] ?? "";
}

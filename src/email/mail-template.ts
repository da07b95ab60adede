/** A mail as it goes out. */
export interface RenderedMail {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

const placeholder = /\{\{(\w+)\}\}/g;
/** A line that can be followed: what the template has put there, and no other value, whatever it looks like. */
const linkLine = "{{link}}";

/** Line breaks and their like, and characters that move others around, so that a line would read as what it is not. */
const invisible = /[\p{Cc}\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu;

/** Values go in after the lines were told apart: none of them makes a line, or a placeholder, of its own. */
function fill(line: string, values: Readonly<Record<string, string>>): string {
  return line.replace(placeholder, (_match, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`a mail's template asks for ${name}, which is not given`);
    return value.replace(invisible, " ");
  });
}

interface Line {
  readonly text: string;
  readonly isLink: boolean;
}

function paragraph(lines: readonly Line[]): string {
  const shown = lines.map(({ text, isLink }) => {
    const escaped = Bun.escapeHTML(text);
    return isLink ? `<a href="${escaped}">${escaped}</a>` : escaped;
  });
  return `<p>${shown.join("<br>\n")}</p>`;
}

const page = (subject: string, body: string) => `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${Bun.escapeHTML(subject)}</title></head>
<body style="font-family: sans-serif; line-height: 1.5; max-width: 36em">
${body}
</body>
</html>
`;

/**
 * Fills a template: `Subject: ...` on its first line, then paragraphs between empty lines. From the same text a plain
 * mail is made and an HTML one, in which the line `{{link}}` can be followed.
 * @throws when the template asks for a value that is not given
 */
export function renderMail(template: string, values: Readonly<Record<string, string>>): RenderedMail {
  const [head = "", ...rest] = template.trim().split(/\n{2,}/);
  const subject = fill(head.replace(/^Subject: /, ""), values);
  const paragraphs = rest.map((text) =>
    text.split("\n").map((line) => ({ text: fill(line, values), isLink: line === linkLine })),
  );
  const text = `${paragraphs.map((lines) => lines.map((line) => line.text).join("\n")).join("\n\n")}\n`;
  return { subject, text, html: page(subject, paragraphs.map(paragraph).join("\n")) };
}

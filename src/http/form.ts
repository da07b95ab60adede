import { AppError } from "../errors.ts";
import { type Html, html } from "./html-page.ts";
import { readBytes } from "./read.ts";

/** Largest form, in bytes: a few short fields, each character of which may take twelve. */
const largestForm = 16 * 1024;

/**
 * Reads the form that a browser sends. Of fields of one name, the last counts.
 * @throws 413 when it is larger than any of ours, 415 when it is something else
 */
export async function readForm(request: Request): Promise<Record<string, string>> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type))
    throw new AppError("UNSUPPORTED_MEDIA_TYPE", "Send the form as application/x-www-form-urlencoded");
  const bytes = await readBytes(request, largestForm);
  return Object.fromEntries(new URLSearchParams(new TextDecoder().decode(bytes)));
}

export interface Field {
  readonly name: string;
  readonly label: string;
  readonly type: "text" | "email" | "password";
  /** What browsers and password managers fill in. */
  readonly autocomplete: string;
  readonly value?: string;
  readonly hint?: string;
  /** What is wrong with what was typed, as in `must have 8 characters`. */
  readonly wrong?: string | undefined;
  readonly readOnly?: boolean;
}

/** A field with its label, and what is to be said about it. */
export function field({ name, label, type, autocomplete, value, hint, wrong, readOnly }: Field): Html {
  const isBad = wrong !== undefined;
  const about = isBad || hint !== undefined ? html` aria-describedby="${name}-note"` : "";
  const state = [isBad ? html` aria-invalid="true"` : html``, readOnly ? html` readonly` : html``];
  const note = isBad
    ? html`<p class="wrong" id="${name}-note">It ${wrong}.</p>\n`
    : hint !== undefined
      ? html`<p class="hint" id="${name}-note">${hint}</p>\n`
      : "";
  return html`<label for="${name}">${label}</label>
${note}<input id="${name}" name="${name}" type="${type}" autocomplete="${autocomplete}" value="${value ?? ""}" required${about}${state}>
`;
}

/** A password that is being chosen, twice: what is typed cannot be seen. It is asked for again each time. */
export function newPasswordFields(wrong: Readonly<Record<string, string>>): Html {
  const common = { type: "password", autocomplete: "new-password" } as const;
  const first = {
    name: "newPassword",
    label: "New password",
    hint: "At least 8 characters.",
    wrong: wrong.newPassword,
  };
  const again = { name: "repeated", label: "The same again", wrong: wrong.repeated };
  return html`${field({ ...common, ...first })}${field({ ...common, ...again })}`;
}

/**
 * A form that posts to where it stands, without what the address had behind its question mark.
 * @param hidden what the browser sends along
 */
export function form(
  hidden: Readonly<Record<string, string>>,
  fields: readonly Html[],
  button: string,
): Html {
  const kept = Object.entries(hidden).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">\n`,
  );
  return html`<form method="post" action="?">
${kept}${fields}<button type="submit">${button}</button>
</form>`;
}

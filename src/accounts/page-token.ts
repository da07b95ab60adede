import { field } from "../http/form.ts";
import type { Html } from "../http/html-page.ts";
import { plainText } from "../http/text-schema.ts";

/** A token as tokens look; null for what cannot be one. Whoever types one adds spaces. */
export const tokenOf = (given: string): string | null =>
  plainText(1, 200).safeParse(given.trim()).data ?? null;

/** The token of a link goes along with the form; without one, the code of the mail is asked for. */
export function tokenField(token: string | null): { hidden: Record<string, string>; fields: Html[] } {
  if (token !== null) return { hidden: { token }, fields: [] };
  const label = "Code from the mail";
  return {
    hidden: {},
    fields: [field({ name: "token", label, type: "text", autocomplete: "one-time-code" })],
  };
}

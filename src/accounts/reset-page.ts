import { z } from "zod";
import { invalid } from "../errors.ts";
import { form, newPasswordFields } from "../http/form.ts";
import { html, type Page, wrongFields } from "../http/html-page.ts";
import { parse } from "../http/read.ts";
import { tokenField, tokenOf } from "./page-token.ts";
import type { PasswordReset } from "./password-reset.ts";
import { newPassword } from "./password-rules.ts";

const chosen = z.object({ newPassword, repeated: z.string("is missing") });

const title = "Choose a new password";

function askPage(token: string | null, wrong: Record<string, string> = {}): Page {
  const { hidden, fields } = tokenField(token);
  const body = html`<p>For your travel journal. All your devices will be signed out.</p>
${form(hidden, [...fields, newPasswordFields(wrong)], "Set the password")}`;
  return { title, body, status: Object.keys(wrong).length > 0 ? 400 : 200 };
}

const badToken: Page = {
  title: "This link is no good any more",
  body: html`<p role="alert">It was used, is older than 30 minutes, or a newer one has taken its place.</p>
<p>To get another, ask for a new password in the app. Your present one stays as it is until then.</p>`,
  status: 400,
};

const done: Page = {
  title: "Your new password is set",
  body: html`<p>All your devices were signed out. Sign in with it in the app.</p>`,
};

/** The page that a mail leads to. Looking at it uses nothing up: scanners of mails follow links, too. */
export async function showResetPage(reset: PasswordReset, given: string | null): Promise<Page> {
  if (given === null) return askPage(null);
  const token = tokenOf(given);
  return token !== null && (await reset.isGood(token)) ? askPage(token) : badToken;
}

/** What is made of the form. @param onReset told whose password was set */
export async function takeResetForm(
  reset: PasswordReset,
  sent: Record<string, string>,
  onReset: (userId: string) => void,
): Promise<Page> {
  const token = tokenOf(sent.token ?? "");
  if (token === null || !(await reset.isGood(token))) return badToken;
  try {
    const { newPassword: password, repeated } = parse(chosen, sent);
    // As typed: the password itself may have been spelt anew.
    if (repeated !== sent.newPassword) throw invalid({ repeated: "is not the same" });
    onReset(await reset.reset(token, password));
    return done;
  } catch (error) {
    const wrong = wrongFields(error);
    if (!wrong) throw error;
    return wrong.token === undefined ? askPage(token, wrong) : badToken;
  }
}

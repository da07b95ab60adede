import { z } from "zod";
import { AppError, invalid } from "../errors.ts";
import { field, form, newPasswordFields } from "../http/form.ts";
import { html, type Page, wrongFields } from "../http/html-page.ts";
import { parse } from "../http/read.ts";
import { displayName } from "./display-name.ts";
import { emailAddress } from "./email-address.ts";
import { tokenField, tokenOf } from "./page-token.ts";
import { newPassword } from "./password-rules.ts";
import type { NewAccount, Registration } from "./registration.ts";

/** What was typed, and is shown again when something of it is wrong. */
interface Typed {
  readonly displayName?: string | undefined;
  readonly email?: string | undefined;
}

interface Invite {
  readonly token: string | null;
  /** The only address that may use it. */
  readonly email: string | null;
}

const chosen = z.object({ displayName, email: emailAddress, newPassword, repeated: z.string("is missing") });

function askPage(
  { token, email }: Invite,
  typed: Typed = {},
  wrong: Record<string, string> = {},
  status = 200,
): Page {
  const { hidden, fields } = tokenField(token);
  const name = field({
    name: "displayName",
    label: "Your name",
    type: "text",
    autocomplete: "name",
    value: typed.displayName ?? "",
    wrong: wrong.displayName,
  });
  const address = field({
    name: "email",
    label: "Email",
    type: "email",
    autocomplete: "username",
    value: email ?? typed.email ?? "",
    readOnly: email !== null,
    wrong: wrong.email,
  });
  const body = html`<p>You are invited to keep your travel journal on this server.</p>
${form(hidden, [...fields, name, address, newPasswordFields(wrong)], "Make the account")}`;
  return { title: "Make your account", body, status };
}

const badInvite: Page = {
  title: "This invitation is no good any more",
  body: html`<p role="alert">It was used, is too old, or is meant for another address.</p>
<p>If you have made your account, sign in in the app. Else ask the person who runs this server for another.</p>`,
  status: 403,
};

function donePage(publicUrl: string | undefined): Page {
  const where = publicUrl
    ? html`<p>Now sign in in the app with the server address <strong>${publicUrl}</strong>, your email and your password.</p>`
    : html`<p>Now sign in in the app with the address of this server, your email and your password.</p>`;
  return { title: "Your account is made", body: where, status: 201 };
}

/** The page that an invitation leads to. Looking at it uses nothing up. */
export async function showInvitePage(registration: Registration, given: string | null): Promise<Page> {
  if (given === null) return askPage({ token: null, email: null });
  const token = tokenOf(given);
  const invite = token === null ? undefined : await registration.findInvite(token);
  return invite ? askPage({ token, ...invite }) : badInvite;
}

function read(sent: Record<string, string>, email: string | null): NewAccount {
  const {
    newPassword: password,
    repeated,
    ...account
  } = parse(chosen, { ...sent, ...(email !== null && { email }) });
  if (repeated !== sent.newPassword) throw invalid({ repeated: "is not the same" });
  return { ...account, password };
}

/** What the form is told by an error; null when it says nothing about its fields. */
function wrongIn(error: unknown): Record<string, string> | null {
  if (error instanceof AppError && error.code === "CONFLICT")
    return { email: "is registered already; sign in in the app" };
  const wrong = wrongFields(error);
  return wrong && "password" in wrong ? { newPassword: wrong.password as string } : wrong;
}

/** What is made of the form. @param publicUrl as configured */
export async function takeInviteForm(
  registration: Registration,
  publicUrl: string | undefined,
  sent: Record<string, string>,
): Promise<Page> {
  const token = tokenOf(sent.token ?? "");
  const invite = token === null ? undefined : await registration.findInvite(token);
  if (token === null || !invite) return badInvite;
  try {
    await registration.accept(read(sent, invite.email), token);
    return donePage(publicUrl);
  } catch (error) {
    const wrong = wrongIn(error);
    if (wrong) return askPage({ token, ...invite }, sent, wrong, (error as AppError).status);
    if (error instanceof AppError && error.code === "FORBIDDEN") return badInvite;
    throw error;
  }
}

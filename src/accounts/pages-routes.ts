import { Elysia } from "elysia";
import type { Context } from "../context.ts";
import { forPeople } from "../http/described.ts";
import { readForm } from "../http/form.ts";
import { type Page, showPage } from "../http/html-page.ts";
import { showInvitePage, takeInviteForm } from "./invite-page.ts";
import { showResetPage, takeResetForm } from "./reset-page.ts";

const tokenIn = ({ url }: Request) => new URL(url).searchParams.get("token");

/**
 * The pages that mails lead to. Nobody is signed in here, no cookie means anything: the token alone gives the right, and
 * another site that had it could use it without a browser. So there is no forgery of requests to guard against.
 */
export function pageRoutes({ log, requests, config, limits, passwordReset, registration }: Context) {
  const show = (request: Request, make: () => Promise<Page>) =>
    showPage({ log, state: requests.get(request) }, make);
  // What a form brings costs a hash of a password, and is counted like whoever signs in.
  const take = (request: Request, make: (sent: Record<string, string>) => Promise<Page>) =>
    show(request, async () => {
      await requests.get(request)?.tally.signingIn();
      return make(await readForm(request));
    });
  const atHome = (request: Request) => (userId: string) =>
    limits.welcome(userId, requests.get(request)?.client.address ?? "");
  return new Elysia({ name: "pages" })
    .get(
      "/reset-password",
      ({ request }) => show(request, () => showResetPage(passwordReset, tokenIn(request))),
      forPeople,
    )
    .post(
      "/reset-password",
      ({ request }) => take(request, (sent) => takeResetForm(passwordReset, sent, atHome(request))),
      forPeople,
    )
    .get(
      "/invite",
      ({ request }) => show(request, () => showInvitePage(registration, tokenIn(request))),
      forPeople,
    )
    .post(
      "/invite",
      ({ request }) => take(request, (sent) => takeInviteForm(registration, config.publicUrl, sent)),
      forPeople,
    );
}

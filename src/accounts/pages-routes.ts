import { Elysia } from "elysia";
import type { Context } from "../context.ts";
import { readForm } from "../http/form.ts";
import { type Page, showPage } from "../http/html-page.ts";
import { showInvitePage, takeInviteForm } from "./invite-page.ts";
import { showResetPage, takeResetForm } from "./reset-page.ts";

const tokenIn = ({ url }: Request) => new URL(url).searchParams.get("token");

/**
 * The pages that mails lead to. Nobody is signed in here, no cookie means anything: the token alone gives the right, and
 * another site that had it could use it without a browser. So there is no forgery of requests to guard against.
 */
export function pageRoutes({ log, requests, config, passwordReset, registration }: Context) {
  const show = (request: Request, make: () => Promise<Page>) =>
    showPage({ log, requestId: requests.get(request)?.id ?? null }, make);
  return new Elysia({ name: "pages" })
    .get("/reset-password", ({ request }) =>
      show(request, () => showResetPage(passwordReset, tokenIn(request))),
    )
    .post("/reset-password", ({ request }) =>
      show(request, async () => takeResetForm(passwordReset, await readForm(request))),
    )
    .get("/invite", ({ request }) => show(request, () => showInvitePage(registration, tokenIn(request))))
    .post("/invite", ({ request }) =>
      show(request, async () => takeInviteForm(registration, config.publicUrl, await readForm(request))),
    );
}

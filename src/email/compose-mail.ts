import { inWords } from "../amounts.ts";
import { type RenderedMail, renderMail } from "./mail-template.ts";
import type { Mail, TokenMail } from "./mails.ts";
import type { HandOn } from "./outgoing-mail.ts";
import { pageLink } from "./page-link.ts";
import { templates } from "./templates.ts";

export interface ComposedMail extends RenderedMail {
  readonly handOn: HandOn | null;
}

type Of<T extends Mail["template"]> = Extract<Mail, { template: T }>;

const inDays = (days: number) => (days === 1 ? "one day" : `${days} days`);

/** Such as `2025-11-17 10:00 UTC`. */
const minuteOf = (instant: string) => `${new Date(instant).toISOString().slice(0, 16).replace("T", " ")} UTC`;

const disks = { DATA_DIR: "the data (DATA_DIR)", BACKUP_DIR: "the backups (BACKUP_DIR)" };

const without = (rendered: RenderedMail): ComposedMail => ({ ...rendered, handOn: null });

/** With a link to the page where the token is good for something, or with the bare token. */
function byToken(mail: TokenMail, token: string, publicUrl: string | undefined): ComposedMail {
  const isInvitation = mail.template === "invitation";
  const { byLink, byCode } = isInvitation ? templates.invitation : templates.passwordReset;
  const values = isInvitation ? { days: inDays(mail.values.days) } : {};
  if (publicUrl === undefined)
    return { ...renderMail(byCode, { ...values, code: token }), handOn: { code: token } };
  const link = pageLink(publicUrl, isInvitation ? "invite" : "reset-password", token);
  return { ...renderMail(byLink, { ...values, link }), handOn: { link } };
}

/** Links lead to PUBLIC_URL only: one to elsewhere is left out. */
function exportReady({ values }: Of<"export-ready">, publicUrl: string | undefined): ComposedMail {
  const { format, size, link, expires } = values;
  const told = { format, size: inWords(size), expires: minuteOf(expires) };
  const isOurs = publicUrl !== undefined && link?.startsWith(`${publicUrl.replace(/\/+$/, "")}/`);
  if (!isOurs || link === null) return without(renderMail(templates.exportReady.inApp, told));
  return { ...renderMail(templates.exportReady.byLink, { ...told, link }), handOn: { link } };
}

function newDevice({ values: { device, platform, at } }: Of<"new-device">): ComposedMail {
  return without(renderMail(templates.newDevice, { device, platform, at: minuteOf(at) }));
}

function backupFailed({ values: { newest, problem } }: Of<"backup-failed">): ComposedMail {
  const since = newest === null ? "No other could be found." : `The newest one is of ${minuteOf(newest)}.`;
  return without(renderMail(templates.backupFailed, { since, problem }));
}

function storageNearlyFull({ values: { disk, free, total } }: Of<"storage-nearly-full">): ComposedMail {
  const told = { what: disks[disk], free: inWords(free), total: inWords(total) };
  return without(renderMail(templates.storageNearlyFull, told));
}

/**
 * Puts a mail into words.
 * @param token for one that brings it
 * @param publicUrl as configured
 */
export function composeMail(mail: Mail, token: string | null, publicUrl: string | undefined): ComposedMail {
  switch (mail.template) {
    case "password-reset":
    case "invitation":
      if (token === null) throw new Error(`the mail ${mail.template} needs a token`);
      return byToken(mail, token, publicUrl);
    case "export-ready":
      return exportReady(mail, publicUrl);
    case "new-device":
      return newDevice(mail);
    case "backup-failed":
      return backupFailed(mail);
    case "storage-nearly-full":
      return storageNearlyFull(mail);
  }
}

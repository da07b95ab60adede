import backupFailed from "./templates/backup-failed.txt" with { type: "text" };
import exportReady from "./templates/export-ready.txt" with { type: "text" };
import exportReadyInApp from "./templates/export-ready-in-app.txt" with { type: "text" };
import invitation from "./templates/invitation.txt" with { type: "text" };
import invitationByCode from "./templates/invitation-code.txt" with { type: "text" };
import newDevice from "./templates/new-device.txt" with { type: "text" };
import reset from "./templates/password-reset.txt" with { type: "text" };
import resetByCode from "./templates/password-reset-code.txt" with { type: "text" };
import storageNearlyFull from "./templates/storage-nearly-full.txt" with { type: "text" };
import test from "./templates/test.txt" with { type: "text" };

/** Says that mails arrive. */
export const testMail = test;

/** A template, and the same where there is no PUBLIC_URL to make a link from. */
export const templates = {
  passwordReset: { byLink: reset, byCode: resetByCode },
  invitation: { byLink: invitation, byCode: invitationByCode },
  exportReady: { byLink: exportReady, inApp: exportReadyInApp },
  newDevice,
  backupFailed,
  storageNearlyFull,
} as const;

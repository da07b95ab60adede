import type { Config } from "../config/config.ts";

/** What mail needs to know of the configuration. */
export type MailSettings = Pick<
  Config,
  | "emailEnabled"
  | "emailProvider"
  | "smtpHost"
  | "smtpPort"
  | "smtpUsername"
  | "smtpPassword"
  | "smtpFromEmail"
  | "smtpFromName"
  | "smtpTlsEnabled"
>;

/** Where the world around is not as usual. */
export interface MailNetwork {
  /** Certificates (PEM) of an authority of one's own, trusted beside the well-known ones. */
  readonly trustedRoots?: string;
  /** Port on which a connection is encrypted from its first byte; 465 unless told otherwise. */
  readonly implicitTlsPort?: number;
  /** Milliseconds within which a server has to have taken our connection, and to say a word; 10,000 by default. */
  readonly patience?: number;
}

/** Says in words for an administrator why a mail could not be sent. Holds neither addresses nor what the mail said. */
export class MailError extends Error {
  /** @param isFinal whether the server will never take this mail */
  constructor(
    message: string,
    readonly isFinal = false,
  ) {
    super(message);
  }
}

/**
 * Connects to the mail server, encrypts, and signs in, as sending would; sends nothing.
 * @throws MailError, which says what is wrong in words for an administrator
 */
export async function verifyMail(settings: MailSettings, network: MailNetwork = {}): Promise<void> {
  const { openMailServer } = await import("./mail-server.ts");
  await (await openMailServer(settings, network)).verify();
}

/**
 * Sends a mail that says that mails arrive.
 * @param to an email address
 * @throws MailError as `verifyMail`, also when the server takes no mail for this address or from ours
 */
export async function sendTestMail(
  settings: MailSettings,
  to: string,
  network: MailNetwork = {},
): Promise<void> {
  const { openMailServer } = await import("./mail-server.ts");
  const { renderMail } = await import("./mail-template.ts");
  const { testMail } = await import("./templates.ts");
  await (await openMailServer(settings, network)).send(to, renderMail(testMail, {}));
}

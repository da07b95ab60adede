import { rootCertificates } from "node:tls";
import type { Transporter } from "nodemailer";
import { MailError, type MailNetwork, type MailSettings } from "./mail-check.ts";
import { mailError } from "./mail-error.ts";
import type { RenderedMail } from "./mail-template.ts";

/** Milliseconds within which a mail server has to take our connection, and to say a word. */
const usualPatience = 10_000;
/** Milliseconds within which it has to have taken a mail, unless its sender has more time. */
const takeWithin = 30_000;
/** Milliseconds without a word after which a connection is dead, whatever the sender's patience. */
const longestSilence = 600_000;

/** Hosts and users of providers that are the same for everybody. Source: Twilio SendGrid, "Integrate with SMTP". */
const providers = {
  sendgrid: { host: "smtp.sendgrid.net", user: "apikey" },
  smtp: {},
  ses: {},
  console: {},
} as const satisfies Record<MailSettings["emailProvider"], { host?: string; user?: string }>;

/** On this port the connection is encrypted from its first byte. Source: RFC 8314, section 3.3. */
const implicitTlsPort = 465;

/** Where mails go, and whom we sign in as. @throws MailError when no server is configured */
function serverOf(settings: MailSettings) {
  const provider: { host?: string; user?: string } = providers[settings.emailProvider];
  const host = settings.smtpHost ?? provider.host;
  if (!settings.emailEnabled || settings.emailProvider === "console" || !host)
    throw new MailError("No mail server is configured: set EMAIL_ENABLED, EMAIL_PROVIDER and SMTP_HOST");
  const user = settings.smtpUsername ?? (settings.smtpPassword && provider.user);
  const auth = user ? { auth: { user, pass: settings.smtpPassword ?? "" }, forceAuth: true } : {};
  return { host, port: settings.smtpPort, ...auth };
}

/** Encrypted, or not at all when that is wanted: nothing in between, where whoever sits on the wire chooses. */
function encryption({ smtpPort, smtpTlsEnabled }: MailSettings, network: MailNetwork) {
  const { trustedRoots } = network;
  const ca = trustedRoots === undefined ? undefined : [...rootCertificates, trustedRoots];
  const tls = { minVersion: "TLSv1.2" as const, ...(ca && { ca }) };
  if (smtpPort === (network.implicitTlsPort ?? implicitTlsPort)) return { secure: true, tls };
  return smtpTlsEnabled ? { secure: false, requireTLS: true, tls } : { secure: false, ignoreTLS: true };
}

/** A mail server. Every mail has a connection of its own: they are few, and far between. */
export class MailServer {
  constructor(
    readonly transporter: Transporter,
    readonly settings: MailSettings,
  ) {}

  /** Connects and signs in. @throws MailError */
  async verify(): Promise<void> {
    const tooLate = Promise.withResolvers<never>();
    const timer = setTimeout(() => tooLate.reject({ code: "ETIMEDOUT" }), takeWithin);
    try {
      await Promise.race([this.transporter.verify(), tooLate.promise]);
    } catch (error) {
      throw mailError(error, this.settings);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Hands a mail over.
   * @param id by which one that comes twice is recognised
   * @param within milliseconds that the server has to take it
   * @throws MailError, which never repeats the address or the mail
   */
  async send(
    to: string,
    { subject, text, html }: RenderedMail,
    { id = crypto.randomUUID() as string, within = takeWithin } = {},
  ): Promise<void> {
    const { smtpFromName: name, smtpFromEmail: address = "" } = this.settings;
    try {
      await this.transporter.sendMail({
        from: { name, address },
        // An object, as text would be read as a list of addresses.
        to: { name: "", address: to },
        subject,
        text,
        html,
        messageId: `<${id}@${address.split("@").at(-1)}>`,
        // Vacation notices and the like stay silent. Source: RFC 3834, section 5.
        headers: { "Auto-Submitted": "auto-generated" },
        disableFileAccess: true,
        disableUrlAccess: true,
        signal: AbortSignal.timeout(within),
      });
    } catch (error) {
      throw mailError(error, this.settings);
    }
  }
}

/**
 * Makes ready to send; connects nowhere yet.
 * @throws MailError when no server is configured
 */
export async function openMailServer(settings: MailSettings, network: MailNetwork = {}): Promise<MailServer> {
  const { patience = usualPatience } = network;
  const { createTransport } = await import("nodemailer");
  const transporter = createTransport({
    ...serverOf(settings),
    ...encryption(settings, network),
    connectionTimeout: patience,
    dnsTimeout: patience,
    greetingTimeout: patience,
    // What is said later has a limit as a whole: a server may think for minutes before it takes a mail.
    socketTimeout: longestSilence,
  });
  return new MailServer(transporter, settings);
}

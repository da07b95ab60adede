import { MailError, type MailSettings } from "./mail-check.ts";

/** What nodemailer says about a failure. */
interface SmtpFailure {
  readonly code?: string;
  /** The code of the system, such as ECONNREFUSED. */
  readonly originalCode?: string;
  /** The server's own, such as 535. */
  readonly responseCode?: number;
  /** What we had said, such as `RCPT TO`. */
  readonly command?: string;
  readonly message?: string;
}

type Explanation = (failure: SmtpFailure, where: string) => string;

const certificate = /certificate|self.signed|altname|issuer/i;

function explainTls({ message = "", responseCode, command }: SmtpFailure, where: string): string {
  if (certificate.test(message))
    return `${where} shows a certificate that cannot be trusted: SMTP_HOST has to be the name in it, and a public authority its issuer`;
  if (responseCode && command === "STARTTLS")
    return `${where} does not offer STARTTLS, and nothing is sent in clear: use its port for TLS, or SMTP_TLS_ENABLED=false for a server on this machine`;
  return `An encrypted connection to ${where} could not be made: port 465 is for TLS from the first byte, others for STARTTLS`;
}

function explainConnection({ originalCode = "", message = "" }: SmtpFailure, where: string): string {
  if (/ECONNREFUSED/.test(originalCode + message))
    return `Nothing answers at ${where}: check SMTP_HOST and SMTP_PORT`;
  if (certificate.test(message)) return explainTls({ message }, where);
  return `The connection to ${where} was cut off: check SMTP_PORT, and that 465 is set where the server speaks TLS at once`;
}

const explainEnvelope: Explanation = ({ command, responseCode }, where) =>
  command === "MAIL FROM"
    ? `${where} takes no mail from SMTP_FROM_EMAIL (${responseCode ?? "no reason given"}): use an address that it knows to be yours`
    : `${where} takes no mail for this address (${responseCode ?? "no reason given"})`;

const explanations: Record<string, Explanation> = {
  EDNS: (_failure, where) => `The mail server of ${where} is not known by that name: check SMTP_HOST`,
  ETIMEDOUT: (_failure, where) =>
    `${where} does not answer: check SMTP_HOST and SMTP_PORT, and that a firewall lets them through`,
  EABORT: (_failure, where) => `${where} takes too long`,
  ECONNECTION: explainConnection,
  ESOCKET: explainConnection,
  ETLS: explainTls,
  EAUTH: ({ responseCode }, where) =>
    `${where} does not accept SMTP_USERNAME and SMTP_PASSWORD (${responseCode ?? "they are missing"})`,
  EENVELOPE: explainEnvelope,
};

/**
 * Whether the server said for good that it takes no mail for this address, or not this one. That it does not let us in,
 * or does not know our own address, is for an administrator to mend. Source: RFC 5321, section 4.2.1.
 */
const isFinal = ({ responseCode = 0, command = "" }: SmtpFailure) =>
  responseCode >= 500 && ["RCPT TO", "DATA"].includes(command);

/** Puts what went wrong into words. The server's own may repeat the address: only its code is taken over. */
export function mailError(error: unknown, { smtpHost, smtpPort, emailProvider }: MailSettings): MailError {
  const failure = (error ?? {}) as SmtpFailure;
  const where = `${smtpHost ?? emailProvider}:${smtpPort}`;
  const explain = explanations[failure.code ?? ""];
  if (explain) return new MailError(explain(failure, where), isFinal(failure));
  return new MailError(
    `${where} did not take the mail (${failure.responseCode ?? failure.code ?? "for no reason given"})`,
    isFinal(failure),
  );
}

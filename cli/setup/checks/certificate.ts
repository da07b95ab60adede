import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import type { ServiceAccount } from "../machine.ts";
import type { Problem } from "../question.ts";
import { barrier, permits } from "./folder.ts";

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly publicUrl: string | undefined;
}

/** Days before its end within which a certificate is spoken of. */
const soon = 14;
const day = 86_400_000;

function readAs(path: string, account: ServiceAccount | null): string | Problem {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    return { message: `${path} cannot be read (${(error as { code?: string }).code}).` };
  }
  const closed =
    account && (barrier(path, account) ?? (permits(statSync(path), account, 4) ? undefined : path));
  if (!closed) return text;
  return {
    message: `The server will run as ${account?.name}, who may not read ${closed}. Let its group: chgrp ${account?.name} and chmod g+rX.`,
  };
}

function parsed<T>(path: string, what: string, parse: () => T): T | Problem {
  try {
    return parse();
  } catch {
    return { message: `${path} is no PEM ${what}.` };
  }
}

const isProblem = (found: unknown): found is Problem =>
  typeof found === "object" && found !== null && "message" in found;

function judge(certificate: X509Certificate, publicUrl: string | undefined, now: number): Problem[] {
  const ends = Date.parse(certificate.validTo);
  const until = new Date(ends).toISOString().slice(0, 10);
  if (ends < now) return [{ message: `The certificate ran out on ${until}. Renew it first.` }];
  if (Date.parse(certificate.validFrom) > now)
    return [
      {
        message: `The certificate is not valid before ${new Date(certificate.validFrom).toISOString().slice(0, 10)}. Check this machine's clock.`,
      },
    ];
  const host = publicUrl && new URL(publicUrl).hostname.replace(/^\[|\]$/g, "");
  const found = host && (isIP(host) ? certificate.checkIP(host) : certificate.checkHost(host));
  if (host && !found) return [{ message: `The certificate is not for ${host}: phones would refuse it.` }];
  if (ends - now > soon * day) return [];
  return [{ message: `The certificate runs out on ${until}. Is it renewed by itself?`, bearable: true }];
}

/** Whether certificate and key can be read, belong together, and are good for the address that phones use. */
export function examineCertificate(
  { certFile, keyFile, publicUrl }: CertificateFiles,
  account: ServiceAccount | null,
  now = Date.now(),
): Problem[] {
  const texts = [certFile, keyFile].map((path) => readAs(path, account));
  const unread = texts.filter(isProblem);
  if (unread.length > 0) return unread;
  const [certText, keyText] = texts as [string, string];
  const certificate = parsed(certFile, "certificate", () => new X509Certificate(certText));
  const key = parsed(keyFile, "private key", () => createPrivateKey(keyText));
  if (isProblem(certificate) || isProblem(key)) return [certificate, key].filter(isProblem);
  if (!certificate.checkPrivateKey(key))
    return [{ message: `${keyFile} is not the key that belongs to ${certFile}.` }];
  return judge(certificate, publicUrl, now);
}

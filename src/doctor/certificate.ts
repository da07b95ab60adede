import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { connect } from "node:tls";
import { longFor } from "../amounts.ts";
import type { DoctorParts } from "./check.ts";
import { combine, fail, ok, skip, type Verdict, warn } from "./finding.ts";

/** Days before its end at which a certificate should have been renewed: Let's Encrypt's are, 30 days before. */
const notice = 14;

function judgeEnd(name: string, end: Date): Verdict {
  const seconds = (end.getTime() - Date.now()) / 1000;
  const on = end.toISOString().slice(0, 10);
  const mend = "Renew it, and see why that did not happen by itself.";
  if (Number.isNaN(seconds)) return fail(`${name} has no readable end`, mend);
  if (seconds < 0) return fail(`${name} expired on ${on}`, mend);
  const told = `${name} is good for ${longFor(seconds)}, until ${on}`;
  return seconds < notice * 86_400 ? warn(told, mend) : ok(told);
}

/** When the certificate that a host shows ends. */
function endAt({ hostname, port }: URL): Promise<Date> {
  const host = hostname.replace(/^\[|\]$/g, "");
  return new Promise((resolve, reject) => {
    // Whether it is trusted shows where the address is asked for an answer.
    const name = /[a-z]/i.test(host) ? { servername: host } : {};
    const socket = connect({ host, port: Number(port) || 443, rejectUnauthorized: false, ...name }, () => {
      resolve(new Date(socket.getPeerCertificate().valid_to));
      socket.destroy();
    });
    socket.setTimeout(8000, () => socket.destroy(new Error("no answer")));
    socket.on("error", reject);
  });
}

async function judgePublic(publicUrl: string | undefined): Promise<Verdict[]> {
  if (publicUrl === undefined || !publicUrl.startsWith("https:")) return [];
  const name = "the certificate of PUBLIC_URL";
  try {
    return [judgeEnd(name, await endAt(new URL(publicUrl)))];
  } catch {
    return [skip(`${name} cannot be seen: nothing answers there`)];
  }
}

async function judgeOwn(path: string | undefined): Promise<Verdict[]> {
  if (path === undefined) return [];
  try {
    return [judgeEnd("TLS_CERT_FILE", new Date(new X509Certificate(await readFile(path)).validTo))];
  } catch {
    const mend = "It has to be a PEM file that the server may read, the server's own certificate first.";
    return [fail("TLS_CERT_FILE is no certificate that can be read", mend)];
  }
}

/** No certificate ends soon. */
export async function checkCertificate({ config }: DoctorParts): Promise<Verdict> {
  const verdicts = [...(await judgePublic(config.publicUrl)), ...(await judgeOwn(config.tlsCertFile))];
  return verdicts.length > 0
    ? combine(verdicts)
    : skip("no HTTPS here: neither PUBLIC_URL nor TLS_CERT_FILE");
}

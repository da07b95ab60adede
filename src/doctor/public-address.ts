import type { Database } from "../database/client.ts";
import { PublicAddress } from "../http/public-address.ts";
import { newKey } from "../storage/object-key.ts";
import { linksSecret, loadSecret } from "../storage/server-secret.ts";
import { SignedUrls } from "../storage/signed-urls.ts";
import type { DoctorParts } from "./check.ts";
import { combine, fail, ok, skip, type Verdict, warn } from "./finding.ts";
import { isPrivateHost } from "./private-host.ts";
import { type Answer, call, publicBase } from "./public-call.ts";

/** What a request that reached nobody means. */
function judgeSilence(code: string): Verdict {
  if (/CERT|SIGNED|ISSUER|TLS|SSL|ALTNAME/i.test(code)) {
    const mend = "Give the proxy a certificate that phones trust, for this name, with its whole chain.";
    return fail(`the certificate of PUBLIC_URL is not trusted (${code})`, mend);
  }
  if (code === "TimeoutError")
    return fail(
      "PUBLIC_URL does not answer within 8 seconds",
      "Check that the server, and the proxy or tunnel before it, run, and that no firewall stands between.",
    );
  const mend =
    "Check the name in PUBLIC_URL and its DNS, the proxy or tunnel, and the port; in a home network the router may not let its own address be reached from inside: then try from a phone.";
  return fail(`PUBLIC_URL cannot be reached (${code})`, mend);
}

/** Login pages of Cloudflare Access, and of what does the same work. */
const loginPlace = /cloudflareaccess\.com|\/cdn-cgi\/access\/|login|auth|oauth|sso/i;

const loginMend =
  "Phones cannot sign in to a login page: take /api/, /storage/ and /health out of its protection (Cloudflare Access: a bypass policy for these paths).";

function judgeRedirection(location: string, base: string): Verdict {
  const target = URL.canParse(location, base) ? new URL(location, base) : null;
  const isSecured = target?.protocol === "https:" && new URL(base).protocol === "http:";
  if (isSecured && target?.host.split(":")[0] === new URL(base).hostname)
    return fail(
      "PUBLIC_URL is http://, and the proxy sends on to https://",
      "Write PUBLIC_URL with https://: phones that follow a redirection lose what they send.",
    );
  if (loginPlace.test(location))
    return fail(`PUBLIC_URL sends on to a login page at ${target?.host ?? "an unknown place"}`, loginMend);
  const mend = "Set PUBLIC_URL to where the server really is, or correct the proxy.";
  return fail(`PUBLIC_URL sends on to ${target?.host ?? "an unknown place"}`, mend);
}

/** What an answer that is not ours means. */
function judgeStranger({ status, headers }: Answer, base: string): Verdict {
  const location = headers.get("location");
  if (status >= 300 && status < 400 && location) return judgeRedirection(location, base);
  if (status >= 502 && status <= 530)
    return fail(
      `the proxy answers ${status}: it does not reach the server`,
      "Start the server, and check the address and the port that the proxy or tunnel sends to.",
    );
  const type = headers.get("content-type")?.split(";")[0] ?? "nothing";
  if (type === "text/html")
    return fail(
      `PUBLIC_URL answers ${status} with a web page, not with the server's own answer`,
      `Perhaps a login page, or another program. ${loginMend}`,
    );
  return fail(
    `PUBLIC_URL answers ${status} with ${type}, and not as this server does`,
    "Something else answers there, or the proxy takes the headers X-Request-ID or X-Content-Type-Options away. Check where it sends to.",
  );
}

/** Whether the server sees the request as HTTPS, as the person does. */
function judgeHttps({ headers, error }: Answer, base: string, allowPlainHttp: boolean): Verdict {
  const { protocol, hostname } = new URL(base);
  if (protocol === "http:") {
    const told = "PUBLIC_URL is http://: anyone on the way can read passwords and places";
    const mend = "Put a proxy, a tunnel or TLS_CERT_FILE before it, and write PUBLIC_URL with https://.";
    return allowPlainHttp && isPrivateHost(hostname) ? warn(told, mend) : fail(told, mend);
  }
  const seen = error !== "HTTPS_REQUIRED" && headers.has("strict-transport-security");
  if (seen) return ok("HTTPS");
  return fail(
    "the server does not see that requests come by HTTPS",
    "The proxy has to send X-Forwarded-Proto: https, and its address has to be among TRUSTED_PROXIES.",
  );
}

/** Whether it is the server of this database: a link that is signed with its secret is good there, or it is not. */
async function judgeIdentity(db: Database | null, publicUrl: string, base: string): Promise<Verdict> {
  if (db === null) return skip("which server it is was not asked: that needs the database");
  const secret = await loadSecret(db, linksSecret);
  const links = new SignedUrls({ secret, address: new PublicAddress(publicUrl) });
  const link = links.get(newKey("probes"), { mediaType: "text/plain", fileName: "doctor" });
  const outcome = await call(base, link.slice(base.length));
  if (outcome.from === "server" && outcome.answer.status === 404) return ok("this server");
  if (outcome.from === "server" && outcome.answer.status === 403)
    return fail(
      "another trailglass answers at PUBLIC_URL, one with another database",
      "Check where the proxy or tunnel sends to, and DATA_DIR or DATABASE_URL of both. If this was the only one, compare the clocks of the two machines.",
    );
  return fail(
    "links to pictures do not get through PUBLIC_URL",
    "The proxy has to hand /storage/ through, with its query as it is.",
  );
}

/** PUBLIC_URL leads to this server, through HTTPS, past login pages. */
export async function checkPublicAddress({ config, database }: DoctorParts): Promise<Verdict> {
  const base = publicBase(config);
  if (base === null || config.publicUrl === undefined) return skip("PUBLIC_URL is not set");
  const outcome = await call(base, "/api/v1/sync/status");
  if (outcome.from === "nobody") return judgeSilence(outcome.code);
  if (outcome.from === "other") return judgeStranger(outcome.answer, base);
  const https = judgeHttps(outcome.answer, base, config.allowPlainHttp);
  if (outcome.answer.error === "HTTPS_REQUIRED") return https;
  return combine([https, await judgeIdentity(database.db, config.publicUrl, base)]);
}

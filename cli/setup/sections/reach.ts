import { resolve } from "node:path";
import { isPrivateHost } from "../../../src/doctor/private-host.ts";
import { examineCertificate } from "../checks/certificate.ts";
import { examinePort } from "../checks/port.ts";
import type { Machine } from "../machine.ts";
import type { Answers, Problem, Section } from "../question.ts";
import { isProxied, ways } from "../ways.ts";

const isTls = ({ reach }: Answers) => reach === "tls";
const isLan = ({ reach }: Answers) => reach === "lan";

/** Without a word from anybody: nothing that strangers could reach in clear. */
function usualWay({ publicUrl }: Answers, { localAddresses, isPublic }: Machine): string {
  if (publicUrl?.startsWith("https:")) return "cloudflare";
  return publicUrl !== undefined || (localAddresses.length > 0 && !isPublic) ? "lan" : "cloudflare";
}

function usualUrl(answers: Answers, { localAddresses }: Machine): string | undefined {
  if (!isLan(answers)) return "";
  return localAddresses[0] && `http://${localAddresses[0]}:${answers.port}`;
}

function examineUrl({ publicUrl = "", reach }: Answers): Problem[] {
  if (publicUrl === "")
    return reach === "tls"
      ? []
      : [
          {
            message: "Without an address, links in mails and to photos lead to this machine only.",
            bearable: true,
          },
        ];
  const { protocol, hostname, pathname } = new URL(publicUrl);
  if (reach !== "lan" && protocol !== "https:")
    return [{ message: "The address must begin with https://. Plain HTTP is for a local network only." }];
  if (reach === "lan" && protocol === "http:" && !isPrivateHost(hostname))
    return [
      {
        message: `${hostname} is not in a local network, and anybody on the way could read along. Choose another way in.`,
        bearable: true,
      },
    ];
  if (pathname !== "/")
    return [
      {
        message: "The address has a path. The ready files do not know it: adapt them yourself.",
        bearable: true,
      },
    ];
  return [];
}

/** How phones reach the server. */
export const reachSection: Section = {
  title: "Way in",
  questions: [
    {
      name: "reach",
      flag: "reach <way>",
      ask: "How shall phones reach this server?",
      about: "how phones reach the server",
      kind: "choice",
      choices: ways.map(({ name, label, hint }) => ({ value: name, label, hint })),
      impliedBy: { tls: ["tlsCert", "tlsKey"] },
      fallback: usualWay,
    },
    {
      name: "tlsCert",
      flag: "tls-cert <file>",
      ask: "Certificate (PEM file, with its chain)",
      about: "certificate with its chain, PEM",
      kind: "text",
      variable: "TLS_CERT_FILE",
      when: isTls,
    },
    {
      name: "tlsKey",
      flag: "tls-key <file>",
      ask: "Its private key (PEM file)",
      about: "private key of the certificate, PEM",
      kind: "text",
      variable: "TLS_KEY_FILE",
      when: isTls,
    },
    {
      name: "port",
      flag: "port <number>",
      ask: "Port to listen on",
      about: "port to listen on",
      kind: "text",
      variable: "APP_PORT",
      fallback: ({ reach }) => (reach === "tls" ? "8443" : "8080"),
    },
    {
      name: "host",
      flag: "host <address>",
      ask: "Address to listen on",
      about: "address to listen on; this machine only where a proxy is in front",
      kind: "text",
      variable: "APP_HOST",
      flagOnly: true,
      fallback: ({ reach }) => (isProxied(reach) ? "127.0.0.1" : "0.0.0.0"),
    },
    {
      name: "publicUrl",
      flag: "public-url <url>",
      ask: "Address that phones will use, such as https://trails.example.org",
      about: "address that phones use",
      kind: "text",
      variable: "PUBLIC_URL",
      mayBeEmpty: true,
      fallback: usualUrl,
    },
  ],
  async check(answers, machine) {
    const { tlsCert = "", tlsKey = "", publicUrl } = answers;
    const files = { certFile: resolve(tlsCert), keyFile: resolve(tlsKey), publicUrl };
    const tls = isTls(answers) ? examineCertificate(files, machine.account) : [];
    return { problems: [...tls, ...examineUrl(answers), ...(await examinePort(answers, machine))] };
  },
};

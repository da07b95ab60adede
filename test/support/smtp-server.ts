import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";

/** A mail as a server took it. */
export interface TakenMail {
  readonly from: string;
  readonly to: readonly string[];
  /** Whether it came over an encrypted connection. */
  readonly encrypted: boolean;
  readonly user: string | undefined;
  /** Headers and body as they came. */
  readonly source: string;
}

/** A real mail server, on a free local port. */
export interface TestSmtpServer {
  readonly port: number;
  readonly taken: TakenMail[];
  /** Users and passwords that were presented. */
  readonly logins: [string, string][];
  stop(): Promise<void>;
}

/** A key and a certificate for localhost, which signs itself. */
export function makeCertificate(): { key: string; cert: string } {
  const folder = mkdtempSync(join(tmpdir(), "trailglass-cert-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const how = [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-days",
    "2",
  ];
  const made = spawnSync("openssl", [...how, "-keyout", key, "-out", cert, ...names], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(`openssl: ${made.stderr || made.error}`);
  const pair = { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
  rmSync(folder, { recursive: true });
  return pair;
}

export interface TestSmtpOptions extends SMTPServerOptions {
  /** Where it listens; on a free port when not given. */
  readonly port?: number;
  /** Says of a mail that is there as a whole why it is not taken, if it is not. As long as it ponders, it is neither. */
  readonly judge?: (mail: TakenMail) => Promise<Error | null>;
}

/** Starts one that lets in whoever says "open sesame". */
export async function startSmtpServer(given: TestSmtpOptions = {}): Promise<TestSmtpServer> {
  const { port = 0, judge = async () => null, ...options } = given;
  const taken: TakenMail[] = [];
  const logins: [string, string][] = [];
  const server = new SMTPServer({
    disableReverseLookup: true,
    onAuth(presented, _session, done) {
      const [username, password] = [presented.username ?? "", presented.password ?? ""];
      logins.push([username, password]);
      if (password === "open sesame") done(null, { user: username });
      else done(new Error(`nobody called ${username} with ${password}`));
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk) => chunks.push(chunk));
      stream.on("end", () => {
        const { mailFrom, rcptTo } = session.envelope;
        const mail: TakenMail = {
          from: mailFrom ? mailFrom.address : "",
          to: rcptTo.map(({ address }) => address),
          encrypted: session.secure,
          user: session.user || undefined,
          source: Buffer.concat(chunks).toString(),
        };
        judge(mail).then((refusal) => {
          if (refusal === null) taken.push(mail);
          done(refusal);
        });
      });
    },
    ...options,
  });
  // Clients that hang up in the middle are part of what is tested.
  server.on("error", () => {});
  await new Promise<void>((listening) => server.listen(port, "127.0.0.1", listening));
  return {
    port: (server.server.address() as AddressInfo).port,
    taken,
    logins,
    stop: () => new Promise((stopped) => server.close(() => stopped())),
  };
}

import { writeFileSync } from "node:fs";
import { join } from "node:path";

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

const authority = `[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
serial = serial
default_md = sha256
copy_extensions = copy
unique_subject = no
policy = names
[names]
commonName = supplied
`;

function openssl(folder: string, args: string[]): void {
  const { success, stderr } = Bun.spawnSync(["openssl", ...args], { cwd: folder });
  if (!success) throw new Error(`openssl: ${stderr}`);
}

/** Whether certificates can be made here. */
export const hasOpenssl = Bun.which("openssl") !== null;

/** A self-signed certificate for localhost, good until some days from now (or ago). @param folder where it goes */
export function makeCertificate(folder: string, name: string, days: number): CertificateFiles {
  const files = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  const at = (offset: number) =>
    `${new Date(Date.now() + offset * 86_400_000).toISOString().replace(/[-:T]/g, "").slice(0, 14)}Z`;
  writeFileSync(join(folder, "authority.cnf"), authority);
  writeFileSync(join(folder, "index.txt"), "");
  const names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  openssl(folder, [
    ...["req", "-new", ...curve, "-nodes", "-keyout", files.key],
    ...["-out", "request.csr", "-subj", "/CN=localhost", "-addext", names],
  ]);
  openssl(folder, [
    ...["ca", "-batch", "-selfsign", "-config", "authority.cnf", "-rand_serial", "-notext"],
    ...["-keyfile", files.key, "-in", "request.csr", "-out", files.cert],
    ...["-startdate", at(days - 90), "-enddate", at(days)],
  ]);
  return files;
}

import { stat } from "node:fs/promises";
import { warnUnknown } from "../config/describe.ts";
import type { DoctorParts, SettingsInForce } from "./check.ts";
import { combine, fail, ok, type Verdict, warn } from "./finding.ts";
import { isPrivateHost } from "./private-host.ts";

/** The mode's last digit: what everybody on the machine may do. */
const othersMay = (mode: number) => mode & 0o007;

/** Whether a file that holds secrets is kept from others. */
export async function judgeSecretFile(what: string, path: string): Promise<Verdict> {
  const { mode } = await stat(path);
  if (othersMay(mode) === 0) return ok(`${what} is kept from others`);
  const digits = (mode & 0o777).toString(8);
  return fail(
    `everybody on this machine may get at ${what} ${path} (mode ${digits})`,
    `Run: chmod 600 ${path}`,
  );
}

const unknownNames = ({ environment }: SettingsInForce) =>
  warnUnknown(Object.keys(environment)).map((sentence) =>
    warn(sentence, "Correct or remove the name; as it is, it does nothing."),
  );

/** The configuration is valid, or no check would be made: what is left are names, and who can read the env file. */
export async function checkConfiguration({ settings }: DoctorParts): Promise<Verdict> {
  const { file } = settings;
  const place = file === null ? "the environment alone" : file;
  return combine([
    ok(`valid, from ${place}`),
    ...(file === null ? [] : [await judgeSecretFile("the env file", file)]),
    ...unknownNames(settings),
  ]);
}

/** ALLOW_PLAIN_HTTP is for a LAN. */
export async function checkPlainHttp({ config }: DoctorParts): Promise<Verdict> {
  if (!config.allowPlainHttp) return ok("requests have to be HTTPS");
  const { publicUrl } = config;
  if (publicUrl === undefined || isPrivateHost(new URL(publicUrl).hostname)) {
    return ok("plain HTTP is allowed (ALLOW_PLAIN_HTTP), and PUBLIC_URL is not on the internet");
  }
  return fail(
    "plain HTTP is allowed (ALLOW_PLAIN_HTTP), and PUBLIC_URL is on the internet: passwords and places can be read on the way",
    "Remove ALLOW_PLAIN_HTTP; the proxy or tunnel has to send X-Forwarded-Proto: https.",
  );
}

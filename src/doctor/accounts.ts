import { readKeyAge } from "../accounts/signing-keys.ts";
import { anyUserExists } from "../accounts/users.ts";
import { longFor } from "../amounts.ts";
import { withDatabase } from "./database.ts";
import { fail, ok, warn } from "./finding.ts";
import { isPrivateHost } from "./private-host.ts";

/** Nobody comes in who is not meant to: there is a first account, and registration is not open to the world. */
export const checkAccounts = withDatabase(async (db, { config }) => {
  const { publicUrl, registration } = config;
  const isPublic = publicUrl !== undefined && !isPrivateHost(new URL(publicUrl).hostname);
  if (!(await anyUserExists(db))) {
    const told =
      "there is no account yet: the first to register takes the server, whatever REGISTRATION says";
    return (isPublic ? fail : warn)(told, "Run: trailglass create-user EMAIL");
  }
  if (registration !== "open") return ok(`registration: ${registration}`);
  const told = "anyone may register (REGISTRATION is open)";
  if (!isPublic) return ok(`${told}, and PUBLIC_URL is not on the internet`);
  return warn(told, "Set REGISTRATION to invite or closed; `trailglass create-user` makes accounts.");
});

/** Seconds after which the key that signs access tokens has been around long enough to have got out somewhere. */
const old = 365 * 86_400;

/** The key that signs access tokens is not too old. */
export const checkSigningKeys = withDatabase(async (db) => {
  const age = await readKeyAge(db);
  if (age === null) return ok("the first start makes one");
  const told = `the key that signs is ${longFor(age)} old`;
  return age > old ? warn(told, "Run: trailglass rotate-keys (nobody has to sign in again)") : ok(told);
});

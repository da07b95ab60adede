import { variables } from "../config/variables.ts";
import { checkAccess } from "./access.ts";
import { checkAccounts, checkSigningKeys } from "./accounts.ts";
import { checkBackups } from "./backups.ts";
import { checkBodyLimit } from "./body-limit.ts";
import { checkCertificate } from "./certificate.ts";
import type { Check } from "./check.ts";
import { checkClock } from "./clock.ts";
import { checkConfiguration, checkPlainHttp } from "./configuration.ts";
import { checkConflicts, checkDatabase, checkSchema } from "./database.ts";
import { checkDisk } from "./disk.ts";
import { checkJobs } from "./jobs.ts";
import { checkMail } from "./mail.ts";
import { checkPermissions } from "./permissions.ts";
import { checkPublicAddress } from "./public-address.ts";
import { checkStorage } from "./storage.ts";

const secrets = Object.values(variables)
  .filter(({ secret }) => secret)
  .flatMap(({ names }) => names);

/** Everything that the doctor looks at, in the order in which it tells. Names are part of the JSON report. */
export const checks: readonly Check[] = [
  { name: "configuration", look: checkConfiguration },
  { name: "database", look: checkDatabase },
  { name: "schema", look: checkSchema },
  { name: "storage", look: checkStorage, seconds: 12 },
  { name: "disk", look: checkDisk },
  { name: "permissions", look: checkPermissions(secrets) },
  { name: "clock", look: checkClock },
  { name: "mail", look: checkMail, seconds: 20 },
  { name: "access", look: checkAccess() },
  { name: "public-address", look: checkPublicAddress, seconds: 20 },
  // Up to six offers of bodies, each with a deadline of its own.
  { name: "body-limit", look: checkBodyLimit, seconds: 60 },
  { name: "certificate", look: checkCertificate },
  { name: "plain-http", look: checkPlainHttp },
  { name: "accounts", look: checkAccounts },
  { name: "signing-keys", look: checkSigningKeys },
  { name: "conflicts", look: checkConflicts },
  { name: "jobs", look: checkJobs },
  { name: "backups", look: checkBackups },
];

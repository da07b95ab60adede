import {
  closeSync,
  constants,
  fchownSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Account } from "./account.ts";
import type { ClusterFolder } from "./cluster-folder.ts";
import { explainFailure } from "./error.ts";

/**
 * Writes who may connect: over the socket only, and, as the kernel attests, root or the cluster's owner; both can do
 * with the files what they like anyway. No password exists that could leak or get lost.
 */
export function writeAccessFiles(folder: ClusterFolder, account: Account): void {
  const users = ["root", account.name].filter((name) => name !== undefined);
  const idents = users.map((name) => `trailglass "${name}" all\n`).join("");
  const note = "# Written at every start of trailglass; changes are lost.\n";
  try {
    replaceFile(join(folder.path, "pg_hba.conf"), `${note}local all all peer map=trailglass\n`, account);
    replaceFile(join(folder.path, "pg_ident.conf"), `${note}${idents}`, account);
  } catch (error) {
    throw explainFailure(`The access rules in ${folder.path} could not be written`, error, "start_failed");
  }
}

// The folder belongs to a lesser user than root, who may be writing here: never follow a link that was planted in it.
function replaceFile(path: string, text: string, account: Account): void {
  if (readRegular(path) === text) return;
  const fresh = `${path}.new`;
  rmSync(fresh, { force: true });
  const fd = openSync(fresh, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    writeSync(fd, text);
    if (account.switched) fchownSync(fd, account.uid, account.gid);
  } finally {
    closeSync(fd);
  }
  renameSync(fresh, path);
}

function readRegular(path: string): string | undefined {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      return readFileSync(fd, "utf8");
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

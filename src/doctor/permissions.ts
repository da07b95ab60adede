import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import type { DoctorParts, SettingsInForce } from "./check.ts";
import { judgeSecretFile } from "./configuration.ts";
import { backupFolder } from "./disk.ts";
import { combine, fail, ok, type Verdict, warn } from "./finding.ts";

async function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
}

const codeOf = (error: unknown) => (error as { code?: string }).code;

/** Ours to write, and nobody else's to read. */
async function judgeFolder(name: string, path: string): Promise<Verdict> {
  const found = await stat(path).catch(codeOf);
  if (found === "ENOENT") return ok(`${name} is not there yet`);
  if (found === undefined || typeof found === "string") {
    const mend = "Run this as the user that runs the server, or as root.";
    return fail(`${name} ${path} cannot be examined (${found})`, mend);
  }
  if (!found.isDirectory()) return fail(`${name} ${path} is no folder`, `Move it away, or set ${name}.`);
  const mode = (found.mode & 0o777).toString(8);
  const shut = `Run: chmod 750 ${path}`;
  if (found.mode & 0o002) return fail(`everybody on this machine may change ${name} (mode ${mode})`, shut);
  if (!(await isWritable(path))) {
    const mend = `Run this as that user or as root, or give the folder away: chown -R, see ls -ld ${path}`;
    return fail(`${name} ${path} belongs to user id ${found.uid} and cannot be written to`, mend);
  }
  if (found.mode & 0o005) return warn(`everybody on this machine may look into ${name} (mode ${mode})`, shut);
  return ok(`${name} is kept from others`);
}

/** A file of a secret; one that cannot be looked at is no business of others, and of this check neither. */
async function judgeFile(name: string, path: string): Promise<Verdict> {
  try {
    await stat(path);
  } catch (error) {
    return fail(
      `${name} ${path} cannot be examined (${codeOf(error)})`,
      "Correct the path or its permissions.",
    );
  }
  return judgeSecretFile(name, path);
}

/** Secrets that are given as files. */
const secretFiles = ({ environment }: SettingsInForce, names: readonly string[]) =>
  names.flatMap((name) => {
    const path = environment[`${name}_FILE`];
    return path ? ([[`${name}_FILE`, path]] as const) : [];
  });

/** Folders and files that hold what is nobody's business. @param secrets names of secret settings */
export function checkPermissions(secrets: readonly string[]) {
  return async ({ config, settings }: DoctorParts): Promise<Verdict> => {
    const key = config.tlsKeyFile ? ([["TLS_KEY_FILE", config.tlsKeyFile]] as const) : [];
    const files = [...key, ...secretFiles(settings, secrets)];
    return combine([
      await judgeFolder("DATA_DIR", config.dataDir),
      await judgeFolder("BACKUP_DIR", backupFolder(config)),
      ...(await Promise.all(files.map(([name, path]) => judgeFile(name, path)))),
    ]);
  };
}

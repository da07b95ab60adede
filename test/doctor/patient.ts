import { join } from "node:path";
import type { Config } from "../../src/config/config.ts";
import type { DoctorParts } from "../../src/doctor/check.ts";
import { program } from "../support/program.ts";
import { type TestServer, testConfig } from "../support/test-server.ts";

/** What checks look at: a running server, with some settings as a test wants them. */
export function partsOf(
  server: TestServer,
  overrides: Partial<Config> = {},
  more: Partial<DoctorParts> = {},
): DoctorParts {
  return {
    config: { ...server.config, ...overrides },
    settings: { file: null, environment: {} },
    database: { kind: "configured", db: server.context.db, error: null, close: async () => {} },
    bodyTest: true,
    ...more,
  };
}

/** The same without any server. */
export function partsWithout(overrides: Partial<Config> = {}, more: Partial<DoctorParts> = {}): DoctorParts {
  return {
    config: testConfig(overrides),
    settings: { file: null, environment: {} },
    database: { kind: "absent", db: null, error: null, close: async () => {} },
    bodyTest: true,
    ...more,
  };
}

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command of the program in a folder, with nothing of the developer's environment. */
export async function runProgram(
  folder: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<Outcome> {
  const child = Bun.spawn([...program, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? "", DATA_DIR: join(folder, "data"), ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, out, err };
}

import { ailment, localAddress } from "../healthcheck.ts";
import { CommandError } from "../with-context.ts";
import { writeWhole } from "./files.ts";
import { findAccount, type Machine, type ServiceAccount } from "./machine.ts";
import type { Plan } from "./plan.ts";
import { renderUnit } from "./systemd-unit.ts";

export const unitFile = "/etc/systemd/system/trailglass.service";

/** Seconds within which a new server becomes healthy, also on a slow card. */
const patience = 60;

async function run(command: readonly string[]): Promise<void> {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  const said = (await child.stderr.text()).trim();
  if ((await child.exited) === 0) return;
  throw new CommandError(`"${command.join(" ")}" failed: ${said || "without a word"}`);
}

/** Whether setup installs the server as a service of this machine. */
export const installsService = ({ isRoot, hasSystemd }: Machine) => isRoot && hasSystemd;

/** The system user of the service, made where there is none. @throws CommandError */
export async function ensureAccount(machine: Machine): Promise<ServiceAccount | null> {
  if (machine.account || !installsService(machine)) return machine.account;
  const shell = "/usr/sbin/nologin";
  await run([
    "useradd",
    "--system",
    "--user-group",
    "--home-dir",
    "/var/lib/trailglass",
    "--shell",
    shell,
    "trailglass",
  ]);
  return findAccount();
}

/**
 * Installs and starts the unit, and waits until the server is healthy.
 * @throws CommandError saying where to look
 */
export async function startService({ machine, config }: Plan): Promise<void> {
  const { program, envFile, account } = machine;
  const unit = renderUnit({ program, envFile, user: account?.name ?? "root", config });
  writeWhole(unitFile, unit, { mode: 0o644, owner: null });
  await run(["systemctl", "daemon-reload"]);
  await run(["systemctl", "enable", "trailglass.service"]);
  await run(["systemctl", "restart", "trailglass.service"]);
  const address = localAddress(config);
  for (let left = patience * 4; ; left--) {
    const amiss = await ailment(address);
    if (amiss === null) return;
    if (left === 0) throw new CommandError(`${amiss} See why: journalctl -u trailglass -n 50`);
    await Bun.sleep(250);
  }
}

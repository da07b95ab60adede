import type { Config } from "../../src/config/config.ts";

export interface UnitParts {
  readonly program: readonly string[];
  readonly envFile: string;
  readonly user: string;
  readonly config: Config;
}

/** A word of a unit file: percent signs begin specifiers, and spaces end words. Source: systemd.syntax(7). */
function word(text: string): string {
  const escaped = text.replaceAll("%", "%%").replaceAll("\\", "\\\\").replaceAll('"', '\\"');
  return /[\s"'\\;]/.test(text) ? `"${escaped}"` : escaped;
}

/** A word of a command line, where a dollar sign begins a variable besides. */
const argument = (text: string) => word(text).replaceAll("$", "$$$$");

const liesBelow = (paths: readonly string[], folders: readonly string[]) =>
  paths.some((path) => folders.some((folder) => path === folder || path.startsWith(`${folder}/`)));

/** Ports below are for those who may. Source: ip_unprivileged_port_start of Linux. */
const firstFreePort = 1024;

/**
 * The unit of the server. No MemoryDenyWriteExecute: compiling while it runs needs such memory. MemoryMax rather than
 * LimitAS, as address space is reserved by the gigabyte and never used. A child that runs out of memory is replaced by
 * the server, hence OOMPolicy.
 */
export function renderUnit({ program, envFile, user, config }: UnitParts): string {
  const { dataDir, backupDir = `${dataDir}/backups`, port, tlsCertFile, tlsKeyFile } = config;
  const written = [dataDir, backupDir].map(word).join(" ");
  const paths = [...program, envFile, dataDir, backupDir, tlsCertFile ?? "", tlsKeyFile ?? ""];
  const capability = port < firstFreePort ? "CAP_NET_BIND_SERVICE" : "";
  const command = [...program, "serve", "--config", envFile].map(argument).join(" ");
  return `# Made by "trailglass setup". Your own changes belong into: systemctl edit trailglass
[Unit]
Description=Trailglass, the server of a travel journal
Wants=network-online.target
After=network-online.target time-sync.target postgresql.service
RequiresMountsFor=${written}

[Service]
Type=exec
User=${user}
ExecStart=${command}
Restart=on-failure
RestartSec=5
# The server ends its children itself, the database last and cleanly.
KillMode=mixed
TimeoutStopSec=90
OOMPolicy=continue
MemoryMax=80%
LimitNOFILE=65536
UMask=0077

NoNewPrivileges=true
ProtectSystem=strict
ReadWritePaths=${written}
ProtectHome=${liesBelow(paths, ["/home", "/root", "/run/user"]) ? "read-only" : "true"}
PrivateTmp=${liesBelow(paths, ["/tmp", "/var/tmp"]) ? "false" : "true"}
PrivateDevices=true
DevicePolicy=closed
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
LockPersonality=true
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
CapabilityBoundingSet=${capability}
AmbientCapabilities=${capability}

[Install]
WantedBy=multi-user.target
`;
}

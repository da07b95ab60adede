import { LOG_LINE_PREFIX } from "./log.ts";

export const SOCKET_PORT = 5432;
export const DATABASE_NAME = "trailglass";
export const ROLE_NAME = "trailglass";

/** What makes a commit durable. Never to be traded for speed. */
const DURABILITY = { fsync: "on", full_page_writes: "on", synchronous_commit: "on" };

/** Nothing listens but a socket in the cluster folder, which only its owner and root can reach. */
const CONNECTIONS = {
  listen_addresses: "",
  port: SOCKET_PORT,
  // Postgres works inside the cluster folder, so this is that folder, however long its path.
  unix_socket_directories: ".",
  unix_socket_permissions: "0700",
  max_connections: 20,
};

/** For a machine with 1 GB of memory and four slow cores: few processes, and no surprises beyond shared_buffers. */
const SMALL_MACHINE = {
  shared_buffers: "64MB",
  effective_cache_size: "256MB",
  work_mem: "4MB",
  maintenance_work_mem: "32MB",
  huge_pages: "off",
  io_method: "sync",
  jit: "off",
  max_worker_processes: 4,
  max_parallel_workers: 2,
  max_parallel_workers_per_gather: 1,
  max_parallel_maintenance_workers: 1,
  max_logical_replication_workers: 0,
  autovacuum: "on",
  autovacuum_max_workers: 1,
  autovacuum_worker_slots: 2,
  autovacuum_vacuum_cost_delay: "5ms",
};

/** Every checkpoint makes the next change of each page write that page whole: fewer of them wear an SD card less. */
const SPARING_WRITES = {
  wal_level: "minimal",
  max_wal_senders: 0,
  wal_compression: "on",
  checkpoint_timeout: "30min",
  max_wal_size: "512MB",
  min_wal_size: "64MB",
};

/** To stderr, where we read it; never a statement, a parameter, or a DETAIL line, which can quote keys. */
const LOGGING = {
  log_destination: "stderr",
  logging_collector: "off",
  log_line_prefix: LOG_LINE_PREFIX,
  log_min_messages: "warning",
  log_min_error_statement: "panic",
  log_statement: "none",
  log_duration: "off",
  log_min_duration_statement: -1,
  log_min_duration_sample: -1,
  log_parameter_max_length: 0,
  log_parameter_max_length_on_error: 0,
  log_error_verbosity: "terse",
  log_connections: "",
  log_autovacuum_min_duration: -1,
  lc_messages: "C",
  log_timezone: "UTC",
  timezone: "UTC",
};

/**
 * The postmaster's `-c` arguments. On the command line rather than in a file, so that a new version of the program
 * brings its own, and nothing written in the cluster folder can switch durability or privacy off.
 */
export function settingArguments(more: Readonly<Record<string, string | number>>): string[] {
  const all = { ...DURABILITY, ...CONNECTIONS, ...SMALL_MACHINE, ...SPARING_WRITES, ...LOGGING, ...more };
  return Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

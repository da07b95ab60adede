interface Behaviour {
  /** Number of its newest migration. */
  readonly schema?: number;
  readonly healthy?: boolean;
  /** How making one ends. */
  readonly backups?: "fine" | "lacking" | "fail";
  readonly restores?: boolean;
  readonly file?: string;
}

/**
 * A program that behaves towards the installer as trailglass does, in milliseconds: its database is a line of text, and
 * the number of its schema another.
 */
export function release(
  version: string,
  { schema = 1, healthy = true, backups = "fine", restores = true, file }: Behaviour,
) {
  return `#!/bin/sh
# ${file}
PATH=${process.env.PATH}
machine=\${0%/usr/local/bin/*}
data=$machine/var/lib/trailglass
newest() { [ "$(cat "$data/schema")" -le ${schema} ] || { echo "the database is newer" >&2; exit 69; }; }
echo "${version} $*" >>"$MACHINE/calls"
case "$*" in
  --version) echo "trailglass ${version} (commit 0123abc, built 2026-11-22T10:00:00Z, Bun 1.4.5, Postgres 18.4)" ;;
  serve)
    newest
    trap 'rm -f "$machine/run/ready"; exit 0' TERM
    echo ${schema} >"$data/schema"
    echo "touched by ${version}" >>"$data/journal"
    mkdir -p "$machine/run"
    ${healthy ? `echo ${version} >"$machine/run/ready.new"; mv "$machine/run/ready.new" "$machine/run/ready"` : ""}
    # Ends with the machine: whatever is left of it finds no sleep any more.
    while sleep 0.05; do :; done ;;
  "healthcheck --wait "*)
    tries=$(($3 * 20))
    until [ -f "$machine/run/ready" ]; do
      [ $tries -gt 0 ] || exit 1
      tries=$((tries - 1))
      sleep 0.05 || exit
    done ;;
  "backup create --json")
    ${backups === "fail" ? "echo 'the disk is full' >&2; exit 73" : ""}
    newest
    number=$(ls "$data/backups" 2>/dev/null | wc -l)
    id=2026-11-22T10-00-0\${number}Z
    mkdir -p "$data/backups/$id"
    cp "$data/schema" "$data/journal" "$data/backups/$id/"
    printf '{\\n  "id": "%s",\\n  "removed": ["2026-11-15T03-30-00Z"]\\n}\\n' "$id"
    ${backups === "lacking" ? "echo '1 picture it should have cannot be read' >&2; exit 1" : ""} ;;
  "migrate --status") newest ;;
  "restore --replace --yes "*)
    ${restores ? "" : "echo 'the backup is damaged' >&2; exit 1"}
    cp "$data/backups/$4/schema" "$data/backups/$4/journal" "$data/" ;;
  *setup*)
    echo "$*" >"$machine/setup"
    echo "APP_PORT=8080" >"$machine/etc/trailglass/trailglass.env"
    echo 1 >"$data/schema"
    echo "first line" >"$data/journal"
    if [ -d "$machine/run/systemd/system" ]; then
      mkdir -p "$machine/etc/systemd/system"
      touch "$machine/etc/systemd/system/trailglass.service" "$machine/run/enabled"
      "$MACHINE/tools/systemctl" start trailglass.service
    fi ;;
  *) exit 64 ;;
esac
`;
}

/** What of systemctl the installer uses. */
export const serviceManager = `#!/bin/sh
#step
PATH=${process.env.PATH}
run=$MACHINE/run
pid() { cat "$run/pid" 2>/dev/null || echo 0; }
# What has ended counts as gone before its parent has taken notice.
alive() { grep -q '^State:[[:space:]]*[RSDTtI]' "/proc/$(pid)/status" 2>/dev/null; }
stop() {
  if alive; then kill -TERM "$(pid)"; while alive && sleep 0.02; do :; done; fi
  rm -f "$run/pid" "$run/ready"
}
echo "systemctl $*" >>"$MACHINE/calls"
case "$*" in
  "start trailglass.service")
    alive && exit 0
    setsid sh -c 'echo $$ >"$0/pid"; exec "$1" serve' "$run" "$MACHINE/usr/local/bin/trailglass" >/dev/null 2>&1 </dev/null &
    until [ -s "$run/pid" ]; do sleep 0.01 || exit; done ;;
  "stop trailglass.service") stop ;;
  "is-enabled --quiet trailglass.service") [ -f "$run/enabled" ] ;;
  "is-active --quiet trailglass.service") alive ;;
  "disable --now trailglass.service") stop; rm -f "$run/enabled" ;;
  "reset-failed trailglass.service" | daemon-reload) ;;
  *) echo "systemctl: $* is not known here" >&2; exit 1 ;;
esac
`;

/** Runs a program, but kills all that belongs to the run before the given step. */
export function steppingStone(program: string, step: number): string {
  return `${program ? "#!/bin/sh\n" : ""}echo >>"$MACHINE/steps"
if [ "$(wc -l <"$MACHINE/steps")" -eq ${step} ]; then kill -9 0; fi
${program ? `exec ${program} "$@"\n` : ""}`;
}

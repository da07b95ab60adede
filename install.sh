#!/bin/sh
# Installs, upgrades or removes Trailglass. `sh install.sh --help` tells how.
#
# The new file is checked and tried before anything is touched, and takes its place by one rename: whenever this script
# is cut off, the old program or the new one is there, whole. All of it is in functions and `main` is called in the
# last line, so that a script which arrived only in part does nothing.
set -eu

repository=${TRAILGLASS_REPOSITORY:-trailglass/trailglass}
releases="https://github.com/$repository/releases"
cpuinfo=${TRAILGLASS_CPUINFO:-/proc/cpuinfo}
unit=trailglass.service
account=trailglass

# Exit codes after BSD sysexits.h, as those of the program.
usage_error=64
unavailable=69
refused=1

usage() {
  cat <<'TEXT'
Installs Trailglass, or upgrades it when it is there already.

  sh install.sh [options] [-- options of `trailglass setup`]

  --from PLACE       release file, folder or https:// address to install from; the latest release when not given
  --sha256 HEX       checksum that the file must have; else SHA256SUMS beside it says
  --yes              ask nothing; sets a new server up with the defaults
  --no-setup         do not offer to set up
  --force            install the same version again, or an older one
  --no-backup        upgrade without a backup first
  --health-wait SEC  how long a new version may take to be healthy; 60 when not given
  --service-stop CMD, --service-start CMD
                     how to stop and start the server where there is no systemd
  --uninstall        remove the program and its service; data and settings stay
  --purge            with --uninstall: remove data and settings, too
  --root DIR         work below DIR instead of /; makes no user

  curl -fsSL https://github.com/trailglass/trailglass/releases/latest/download/install.sh | sudo sh
TEXT
}

# Whoever no longer listens, as after a lost connection, is no reason to stop half-way.
say() { printf '%s\n' "$*" || true; }
warn() { printf '%s\n' "$*" >&2 || true; }
fail() {
  code=$1
  shift
  warn "install.sh: $*"
  exit "$code"
}
has() { command -v "$1" >/dev/null 2>&1; }

need_value() {
  [ "$2" -ge 2 ] || fail $usage_error "$1 needs a value; see --help"
}

read_options() {
  from='' sha256='' yes=false setup=true force=false backup=true health_wait=60
  stop_command='' start_command='' uninstall=false purge=false root=''
  while [ $# -gt 0 ]; do
    case $1 in
      --from | --sha256 | --health-wait | --service-stop | --service-start | --root) need_value "$1" $# ;;
    esac
    case $1 in
      --from) from=$2 && shift ;;
      --sha256) sha256=$(printf %s "$2" | tr 'A-F' 'a-f') && shift ;;
      --health-wait) health_wait=$2 && shift ;;
      --service-stop) stop_command=$2 && shift ;;
      --service-start) start_command=$2 && shift ;;
      --root) root=${2%/} && shift ;;
      --yes | -y) yes=true ;;
      --no-setup) setup=false ;;
      --force) force=true ;;
      --no-backup) backup=false ;;
      --uninstall) uninstall=true ;;
      --purge) purge=true ;;
      --help | -h) usage && exit 0 ;;
      --) break ;;
      *) fail $usage_error "there is no option $1; see --help" ;;
    esac
    shift
  done
  check_options
}

check_options() {
  case $health_wait in
    '' | *[!0-9]*) fail $usage_error "--health-wait must be whole seconds, such as 60" ;;
  esac
  case $sha256 in
    *[!0-9a-f]*) fail $usage_error "--sha256 must be 64 hexadecimal digits" ;;
  esac
  [ -z "$sha256" ] || [ ${#sha256} -eq 64 ] || fail $usage_error "--sha256 must be 64 hexadecimal digits"
  if $purge && ! $uninstall; then fail $usage_error "--purge goes with --uninstall"; fi
  case ${stop_command:+stop}${start_command:+start} in
    stop | start) fail $usage_error "--service-stop and --service-start go together" ;;
  esac
}

name_places() {
  if [ -n "$root" ]; then
    mkdir -p "$root"
    root=$(cd "$root" && pwd)
  fi
  bin_dir=$root/usr/local/bin
  bin=$bin_dir/trailglass
  previous=$bin_dir/trailglass.previous
  staging=$bin_dir/.trailglass-install.$$
  settings=$root/etc/trailglass
  env_file=$settings/trailglass.env
  data=$root/var/lib/trailglass
  unit_file=$root/etc/systemd/system/$unit
}

insist_on_root() {
  [ -n "$root" ] || [ "$(id -u)" -eq 0 ] || fail $refused "this needs root: run it with sudo"
}

is_unprivileged() { [ -n "$root" ]; }

# A terminal to ask on, also when this script itself comes through a pipe.
has_terminal() { [ -t 1 ] && (: </dev/tty) 2>/dev/null; }

ask() {
  printf '%s ' "$1"
  read -r answer </dev/tty || answer=''
}

# --- The release file -----------------------------------------------------------------------------------------------

name_release() {
  case $(uname -s) in
    Linux) ;;
    *) fail $refused "Trailglass runs on Linux; elsewhere take the container image" ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) if grep -qw avx2 "$cpuinfo"; then release=linux-x64; else release=linux-x64-baseline; fi ;;
    aarch64 | arm64) release=linux-arm64 ;;
    *) fail $refused "there is no release for $(uname -m): only for 64-bit Intel, AMD and ARM, as of a Raspberry Pi 3 with a 64-bit system" ;;
  esac
  if (ldd --version 2>&1 || true) | grep -qi musl; then
    fail $refused "this system has musl in place of glibc, for which there is no release; take the container image"
  fi
  if [ "$(getconf LONG_BIT 2>/dev/null || echo 64)" = 32 ]; then
    fail $refused "this system is a 32-bit one; Trailglass needs a 64-bit system, also on a Raspberry Pi"
  fi
  release=trailglass-$release
}

# Where the file is and where its checksums are, from what was given.
find_release() {
  case $from in
    '') from=$releases/latest/download/$release ;;
    http://* | https://*) case $from in */) from=$from$release ;; esac ;;
    *) if [ -d "$from" ]; then from=${from%/}/$release; fi ;;
  esac
  case $from in
    http://*) [ -n "$sha256" ] || fail $refused "over http:// anyone on the way could change the file: use https://, or give its --sha256" ;;
  esac
}

insist_on_tools() {
  has sha256sum || has shasum || fail $unavailable "neither sha256sum nor shasum is there: the file cannot be checked"
  case $from in
    http*://*) has curl || has wget || fail $unavailable "curl or wget is needed; or download the file, and give it with --from" ;;
  esac
}

download() {
  if has curl; then
    # A redirection away from https:// would let anyone on the way change the file and its checksum alike.
    curl -fsSL --proto-redir =https --retry 3 --connect-timeout 20 -o "$2" "$1"
  else
    wget -q -T 60 -O "$2" "$1"
  fi
}

fetch() {
  case $1 in
    http://* | https://*) download "$1" "$2" ;;
    *) cp "$1" "$2" ;;
  esac
}

sum_of() {
  if has sha256sum; then
    sha256sum "$1"
  else
    shasum -a 256 "$1"
  fi | sed 's/^\\//; s/ .*//'
}

expected_sum() {
  if [ -n "$sha256" ]; then
    say "$sha256"
    return
  fi
  sums=${from%/*}
  [ "$sums" != "$from" ] || sums=.
  fetch "$sums/SHA256SUMS" "$staging/SHA256SUMS" ||
    fail $unavailable "there is no SHA256SUMS beside $from, so the file cannot be checked; give its --sha256"
  awk -v name="${from##*/}" '{ file = $2; sub(/^\*/, "", file); if (file == name) { print tolower($1); exit } }' \
    "$staging/SHA256SUMS"
}

# Leaves the checked and tried file in $staging/trailglass, and its version in $new_version.
stage() {
  # What installers have left that were cut off; those that still run keep theirs.
  for left in "$bin_dir"/.trailglass-install.*; do
    [ -d "/proc/${left##*.}" ] || rm -rf "$left"
  done
  rm -rf "$staging"
  mkdir -p "$bin_dir"
  mkdir -m 700 "$staging"
  say "Getting $from"
  fetch "$from" "$staging/trailglass" || fail $unavailable "$from could not be read"
  expected=$(expected_sum)
  [ -n "$expected" ] || fail $refused "SHA256SUMS does not name ${from##*/}, so the file cannot be checked"
  if [ "$(sum_of "$staging/trailglass")" != "$expected" ]; then
    fail $refused "the checksum of $from is not the expected one: it is damaged or not the real one. Nothing was changed."
  fi
  chmod 755 "$staging/trailglass"
  new_version=$(version_of "$staging/trailglass") ||
    fail $refused "the new program does not run on this machine. Nothing was changed."
}

# The first word of `--version` that looks like one.
version_of() {
  told=$("$1" --version </dev/null) || return 1
  found=$(say "$told" | tr ' ' '\n' | sed -n 's/^v\{0,1\}\([0-9][0-9]*\.[0-9][0-9]*\.[0-9][^ ,]*\).*/\1/p' | head -n 1)
  [ -n "$found" ] && say "$found"
}

# Whether version $1 is older than $2, after semver: 1.2.0-rc.1 comes before 1.2.0.
is_older() {
  awk -v a="$1" -v b="$2" '
    function rank(x, y, numeric) {
      numeric = x ~ /^[0-9]+$/ && y ~ /^[0-9]+$/
      if (numeric) return (x + 0 < y + 0) ? -1 : (x + 0 > y + 0)
      if (x ~ /^[0-9]+$/) return -1
      if (y ~ /^[0-9]+$/) return 1
      return (x "" < y "") ? -1 : (x "" > y "")
    }
    function compare(x, y, xs, ys, n, m, i, r) {
      n = split(x, xs, "."); m = split(y, ys, ".")
      for (i = 1; i <= n && i <= m; i++) { r = rank(xs[i], ys[i]); if (r) return r }
      return (n < m) ? -1 : (n > m)
    }
    BEGIN {
      sub(/\+.*/, "", a); sub(/\+.*/, "", b)
      coreA = a; sub(/-.*/, "", coreA); coreB = b; sub(/-.*/, "", coreB)
      preA = substr(a, length(coreA) + 2); preB = substr(b, length(coreB) + 2)
      r = compare(coreA, coreB)
      if (!r && preA != preB) r = (preA == "") ? 1 : (preB == "") ? -1 : compare(preA, preB)
      exit !(r < 0)
    }'
}

# On the disk before its name is there: after a power cut there is no empty program.
put_in_place() {
  sync "$1" 2>/dev/null || sync
  mv -f "$1" "$bin"
}

# --- The service ----------------------------------------------------------------------------------------------------

has_systemd() { [ -d "$root/run/systemd/system" ] && has systemctl; }

# What is in charge of the server: systemd, commands that were given, or nobody. A unit that was switched off is not
# switched on again behind anyone's back.
find_service() {
  service=none
  if [ -n "$stop_command" ]; then
    service=commands
  elif has_systemd && [ -f "$unit_file" ]; then
    if systemctl is-enabled --quiet "$unit" || systemctl is-active --quiet "$unit"; then service=systemd; fi
  fi
}

stop_service() {
  case $service in
    systemd) systemctl stop "$unit" ;;
    commands) sh -c "$stop_command" ;;
  esac
}

start_service() {
  case $service in
    systemd)
      # After several failures in a row it would refuse to try again.
      systemctl reset-failed "$unit" 2>/dev/null || true
      systemctl start "$unit"
      ;;
    commands) sh -c "$start_command" ;;
  esac
}

# Runs the program as the service does, in a folder that everybody may enter: files that root made, the service could
# not change.
run_as_service() (
  cd /
  exec </dev/null
  if is_unprivileged; then
    TRAILGLASS_CONFIG=$env_file "$@"
  elif has runuser; then
    runuser -u "$account" -- "$@"
  elif has setpriv; then
    setpriv --reuid "$account" --regid "$account" --init-groups "$@"
  else
    # shellcheck disable=SC2016 # the inner shell is to expand these
    su -s /bin/sh "$account" -c 'exec "$0" "$@"' -- "$@"
  fi
)

is_healthy() { run_as_service "$bin" healthcheck --wait "$1" >/dev/null 2>&1; }

# --- User and folders -----------------------------------------------------------------------------------------------

make_account() {
  if is_unprivileged || id "$account" >/dev/null 2>&1; then return; fi
  if has useradd; then
    useradd --system --user-group --no-create-home --home-dir /var/lib/trailglass --shell /usr/sbin/nologin "$account"
  elif has addgroup && has adduser; then
    addgroup -S "$account"
    adduser -S -D -H -h /var/lib/trailglass -s /sbin/nologin -G "$account" "$account"
  else
    fail $unavailable "the user $account cannot be made: there is neither useradd nor adduser"
  fi
}

make_folders() {
  mkdir -p "$settings" "$data"
  if ! is_unprivileged; then
    chown "root:$account" "$settings"
    chown "$account:$account" "$data"
  fi
  chmod 750 "$settings"
  chmod 700 "$data"
}

# --- Installing -----------------------------------------------------------------------------------------------------

is_set_up() { [ -f "$env_file" ] || [ -f "$unit_file" ]; }

install_new() {
  make_account
  make_folders
  put_in_place "$staging/trailglass"
  say "Trailglass $new_version is installed: $bin"
}

offer_setup() {
  if ! $setup; then
    say "Set it up with: trailglass setup"
  elif $yes; then
    run_setup --yes "$@"
  elif has_terminal; then
    ask "Set up the server now? [Y/n]"
    case $answer in
      [Nn]*) say "Set it up later with: sudo trailglass setup" ;;
      *) run_setup "$@" </dev/tty ;;
    esac
  else
    say "Set it up with: sudo trailglass setup   (or, without questions: sudo trailglass setup --yes)"
  fi
}

run_setup() {
  if is_unprivileged; then set -- --config "$env_file" "$@"; fi
  "$bin" setup "$@" || fail $refused "the program is installed, but not set up. Try again with: sudo trailglass setup"
}

# --- Upgrading ------------------------------------------------------------------------------------------------------

refuse_downgrade() {
  if is_older "$new_version" "$old_version" && ! $force; then
    fail $refused "version $old_version is installed, which is newer than $new_version. A newer database cannot be used by an older program: restore a backup from before, or go on with --force."
  fi
}

# Whoever is cut off between stop and start finds the server down: running this again brings it up.
already_there() {
  say "Trailglass $old_version is installed already; --force installs it again."
  if [ "$service" != systemd ] || systemctl is-active --quiet "$unit"; then return; fi
  say "The server does not run. Starting it."
  start_service || true
  is_healthy "$health_wait" || fail $unavailable "the server does not become healthy; see $(log_place)"
  say "The server is up and healthy."
}

# It names the backup also when it has something to complain of, such as a second copy that failed or a picture that
# has been damaged for long. Those are no reason against an upgrade.
back_up() {
  say "Making a backup with version $old_version"
  run_as_service "$bin" backup create --json >"$staging/backup" || true
  snapshot=$(snapshot_in "$staging/backup")
  [ -n "$snapshot" ] ||
    fail $unavailable "no backup could be made, so nothing was changed. Mend that, or upgrade with --no-backup."
}

snapshot_in() { sed -n 's/^ *"id": "\([^"]*\)".*/\1/p' "$1" | head -n 1; }

# The name of the old file lasts until the next upgrade.
keep_previous() {
  rm -f "$previous"
  ln "$bin" "$previous" 2>/dev/null || cp -p "$bin" "$previous"
}

insist_on_stopped() {
  if is_healthy 0; then
    fail $refused "a server runs, and without systemd this script cannot stop it. Stop it and run this again, or give --service-stop and --service-start."
  fi
}

# Whether the database is as the old program knows it, by its own word.
fits_previous() { run_as_service "$previous" migrate --status >/dev/null 2>&1; }

log_place() {
  if [ "$service" = systemd ]; then say "journalctl -u trailglass"; else say "its log"; fi
}

# A program that fits the database, though it is not healthy, is better than one that refuses it.
give_up() {
  start_service || true
  warn "Version $old_version could not be brought back: $1"
  warn "Version $new_version stays, and is started again, though it was not healthy. The reason is in $(log_place)"
  warn "The old program is $previous"
  exit $refused
}

roll_back() {
  # Not ignored, which a server that is started from here would inherit: only not followed.
  trap : INT TERM
  warn "Version $new_version is not healthy after $health_wait s. Going back to version $old_version."
  stop_service || true
  restored=''
  if ! fits_previous; then
    [ -n "$snapshot" ] || give_up "the database was changed for the new version, and there is no backup of before."
    warn "The database was changed for the new version. Restoring the backup from before: $snapshot"
    run_as_service "$previous" restore --replace --yes "$snapshot" >/dev/null || give_up "the backup $snapshot could not be restored."
    restored=", with its database as it was before the upgrade,"
  fi
  mv -f "$previous" "$bin"
  start_service || true
  is_healthy "$health_wait" ||
    fail $refused "version $old_version$restored is back in place, but is not healthy either; see $(log_place)"
  fail $refused "version $new_version did not become healthy, so version $old_version$restored is back and running. The reason is in $(log_place)"
}

# A signal between stop and start brings up whichever program is in place.
on_signal() {
  trap : INT TERM
  warn "Interrupted; starting the server again."
  start_service || true
  exit 130
}

upgrade() {
  say "Upgrading Trailglass $old_version to $new_version"
  snapshot=''
  if ! is_set_up; then
    keep_previous
    install_new
    return
  fi
  [ "$service" != none ] || insist_on_stopped
  if $backup; then back_up; fi
  if [ "$service" = none ]; then exchange_stopped; else exchange_service; fi
}

exchange_stopped() {
  keep_previous
  put_in_place "$staging/trailglass"
  say "Trailglass $new_version is installed: $bin"
  say "Start it now. Should it fail, this brings back what was there before:"
  say "  mv $previous $bin"
  [ -z "$snapshot" ] || say "  trailglass restore --replace $snapshot   (only if it says that the database is newer)"
}

exchange_service() {
  say "Stopping the server"
  # A lost connection stops nothing any more; Ctrl-C brings the server up again.
  trap : HUP
  trap on_signal INT TERM
  stop_service
  # What phones have sent since the first backup; only that is copied, so it takes seconds.
  if $backup && ! (back_up); then
    start_service || true
    fail $unavailable "version $old_version is running again"
  fi
  if $backup; then snapshot=$(snapshot_in "$staging/backup"); fi
  keep_previous
  put_in_place "$staging/trailglass"
  say "Starting version $new_version"
  start_service || true
  trap - INT TERM
  is_healthy "$health_wait" || roll_back
  say "Trailglass $new_version runs and is healthy. The old program is kept as $previous"
  [ -z "$snapshot" ] || say "The backup from before the upgrade: $snapshot"
}

# --- Removing -------------------------------------------------------------------------------------------------------

confirm_purge() {
  if $yes; then return; fi
  has_terminal || fail $refused "--purge deletes every picture and track of this server: add --yes if that is meant"
  say "This deletes $data and $settings, with every picture, track and backup in them."
  ask "Type purge to go on:"
  [ "$answer" = purge ] || fail $refused "nothing was removed"
}

remove() {
  if $purge; then confirm_purge; fi
  if has_systemd && [ -f "$unit_file" ]; then systemctl disable --now "$unit" || true; fi
  if [ "$service" = commands ]; then stop_service || true; fi
  if [ -x "$bin" ] && [ -f "$env_file" ] && is_healthy 0; then
    fail $refused "a server still runs: stop it first, then run this again"
  fi
  if [ -f "$unit_file" ]; then
    rm -f "$unit_file"
    if has_systemd; then systemctl daemon-reload; fi
  fi
  rm -rf "$bin" "$previous" "$bin_dir"/.trailglass-install.*
  say "The program and its service are removed."
  if $purge; then purge_data; else say "Data in $data and settings in $settings are kept; --uninstall --purge removes them."; fi
}

purge_data() {
  elsewhere=$(sed -n -e 's/^DATA_DIR=//p' -e 's/^BACKUP_DIR=//p' "$env_file" 2>/dev/null | tr -d "\"'" || true)
  rm -rf "$data" "$settings" "$root/var/cache/trailglass"
  say "Data and settings are removed."
  for place in $elsewhere; do
    case $place in "$data" | "$data"/* | /var/lib/trailglass | /var/lib/trailglass/*) ;; *) say "Not removed: $place" ;; esac
  done
  if ! is_unprivileged && has userdel; then userdel "$account" 2>/dev/null || true; fi
}

# --------------------------------------------------------------------------------------------------------------------

main() {
  read_options "$@"
  while [ $# -gt 0 ] && [ "$1" != -- ]; do shift; done
  if [ $# -gt 0 ]; then shift; fi
  name_places
  insist_on_root
  find_service
  if $uninstall; then
    remove
    return
  fi
  name_release
  find_release
  insist_on_tools
  trap 'rm -rf "$staging"' EXIT
  stage
  if [ -x "$bin" ]; then
    old_version=$(version_of "$bin") || old_version=0.0.0-unknown
    if [ "$old_version" = "$new_version" ] && ! $force; then
      already_there
    else
      refuse_downgrade
      upgrade
    fi
    if is_set_up; then return; fi
  else
    install_new
  fi
  # Also over settings that an --uninstall has left: setup keeps them, and makes the service anew.
  offer_setup "$@"
}

main "$@"

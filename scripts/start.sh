#!/bin/sh
# Starts a server to try things on: http://localhost:8080, with the embedded database in ./data. It listens on this
# machine only, over plain HTTP, and anyone may register.
set -eu
cd "$(dirname "$0")/.."
. scripts/ensure-bun.sh

bun install --frozen-lockfile --silent

export APP_ENVIRONMENT="${APP_ENVIRONMENT:-development}"
export APP_HOST="${APP_HOST:-127.0.0.1}"
export APP_PORT="${APP_PORT:-8080}"
export ALLOW_PLAIN_HTTP="${ALLOW_PLAIN_HTTP:-true}"
export REGISTRATION="${REGISTRATION:-open}"
export DATA_DIR="${DATA_DIR:-./data}"

bun cli/main.ts serve &
server=$!
trap 'kill -TERM "$server" 2>/dev/null || true' INT TERM HUP

url="http://localhost:$APP_PORT"
if bun scripts/wait-until-ready.ts "$url" "$server"; then
  cat <<NEXT

Trailglass is up: $url/health

  Watch two phones sync:         bun run demo
  With a track of your own:      bun run demo my-track.gpx
  Make an account:               bun cli/main.ts create-user you@example.org
  All commands:                  bun cli/main.ts --help
  All settings:                  docs/ENVIRONMENT_VARIABLES.md
  Stop:                          Ctrl-C

(bun is ${PWD}/.tools/node_modules/.bin/bun when it is not on your PATH.)

NEXT
fi

# A signal ends the first wait early; the server then still drains its requests.
status=0
wait "$server" || status=$?
while kill -0 "$server" 2>/dev/null; do wait "$server" || status=$?; done
exit "$status"

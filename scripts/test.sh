#!/bin/sh
# Everything that has to hold: types, lint, and all tests, against a real Postgres and real sockets. TEST_DATABASE_URL
# names a Postgres to use; without it the tests start their own. Reports of the runner go to .tools/reports.
set -eu
cd "$(dirname "$0")/.."
. scripts/ensure-bun.sh
. scripts/ensure-minio.sh
. scripts/ensure-redis.sh

bun install --frozen-lockfile --silent
rm -rf .tools/reports
mkdir -p .tools/reports

echo "== types"
bun run check
echo "== lint"
bun run lint
echo "== build"
# Tests that run the program run this one: it starts in a third of the time that the sources take.
bun run build --into .tools/program
export TEST_PROGRAM="$PWD/.tools/program/trailglass"
echo "== tests"
# What each process would make anew: an empty Postgres to be copied, and what answers are held against.
models=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")/tg-models-XXXXXX")
chmod 755 "$models"
trap 'rm -rf "$models"' EXIT
export TEST_MODELS="$models"
# Three at once on two cores: many wait for a process, a timer or a disk.
bun test --parallel=3 --timeout=120000 --reporter=junit --reporter-outfile=.tools/reports/tests.xml src cli test

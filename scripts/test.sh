#!/bin/sh
# Everything that has to hold: types, lint, and all tests, against a real Postgres and real sockets. TEST_DATABASE_URL
# names a Postgres to use; without it the tests start their own. Reports of the runner go to .tools/reports.
set -eu
cd "$(dirname "$0")/.."
. scripts/ensure-bun.sh
. scripts/ensure-minio.sh

bun install --frozen-lockfile --silent
rm -rf .tools/reports
mkdir -p .tools/reports

echo "== types"
bun run check
echo "== lint"
bun run lint
echo "== tests"
bun test --parallel=2 --timeout=120000 --reporter=junit --reporter-outfile=.tools/reports/tests.xml src cli test

# shellcheck shell=sh
# Sourced by the scripts beside it, from the root of the repository, or run there: sees to it that there is a Redis for
# the tests of limits that servers share: the one on the PATH, else Debian's, where we are root. No failure where neither
# is to be had: those tests are skipped then, unless CI=true or TEST_REQUIRE_REDIS=1 says that they must not be.

has_redis() {
  command -v redis-server >/dev/null 2>&1
}

install_redis() {
  # With this run level the package starts no server of its own.
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null 2>&1
}

if ! has_redis && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing Redis for the tests of shared limits ..." >&2
  install_redis || { apt-get update -qq >/dev/null 2>&1 && install_redis; } || echo "Redis could not be installed." >&2
fi
if ! has_redis; then
  echo "There is no redis-server: the tests of limits that servers share are skipped." >&2
fi

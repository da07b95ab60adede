# Sourced by the scripts beside it, from the root of the repository: puts the pinned Bun on the PATH, getting it if it
# is missing. It is kept in .tools/, so nothing is installed outside of the repository.

bun_version=$(sed -n 's/.*"engines": *{ *"bun": *"\([^"]*\)".*/\1/p' package.json)
if [ -z "$bun_version" ]; then
  bun_version=$(sed -n 's/^ *"bun": *"\([0-9][^"]*\)".*/\1/p' package.json | head -n 1)
fi

has_pinned_bun() {
  [ "$("$1" --version 2>/dev/null || true)" = "$bun_version" ]
}

get_bun_with_npm() {
  npm install --no-save --no-audit --no-fund --loglevel=error --prefix .tools "bun@$bun_version" >&2 || return 1
  # npm may be set to run no install scripts; this one only puts the downloaded program in its place.
  has_pinned_bun .tools/node_modules/.bin/bun || (cd .tools/node_modules/bun && node install.js >&2)
}

get_bun_with_installer() {
  curl -fsSL https://bun.sh/install | BUN_INSTALL="$PWD/.tools/bun" bash -s "bun-v$bun_version" >&2
}

export PATH="$PWD/.tools/node_modules/.bin:$PWD/.tools/bun/bin:$PATH"
if ! has_pinned_bun bun; then
  echo "Getting Bun $bun_version ..." >&2
  if command -v npm >/dev/null 2>&1; then get_bun_with_npm; else get_bun_with_installer; fi
  hash -r 2>/dev/null || true
fi
if ! has_pinned_bun bun; then
  echo "Bun $bun_version is needed and could not be installed. See https://bun.sh" >&2
  exit 1
fi

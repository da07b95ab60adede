# shellcheck shell=sh
# Sourced by the scripts beside it, from the root of the repository, or run there: sees to it that there is a MinIO for
# the tests of the S3 storage: the one on the PATH, else one in .tools/bin, which Go builds once. No failure where
# neither is to be had: those tests are skipped then, unless CI=true or TEST_REQUIRE_MINIO=1 says that they must not be.

# The releases have no versions that Go knows: this is the last commit.
minio_version=v0.0.0-20260212201848-7aac2a2c5b7c

build_minio() {
  echo "Building MinIO for the S3 tests; this takes some minutes, once ..." >&2
  mkdir -p .tools/bin
  GOBIN="$PWD/.tools/bin" go install "github.com/minio/minio@$minio_version" >&2
}

has_minio() {
  [ -n "${TEST_S3_ENDPOINT:-}" ] || command -v minio >/dev/null 2>&1 || [ -x .tools/bin/minio ]
}

if ! has_minio && command -v go >/dev/null 2>&1; then
  build_minio || echo "MinIO could not be built." >&2
fi
if ! has_minio; then
  echo "There is no MinIO, and no Go to build it with: the tests of the S3 storage are skipped." >&2
fi

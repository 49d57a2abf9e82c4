#!/usr/bin/env bash
# What continuous integration runs: the test command of the README, then the lints.
set -euo pipefail
cd "$(dirname "$0")/.."
start=$SECONDS
# Nothing is built twice here: what cargo keeps to build faster the next time would only fill the disk.
export CARGO_INCREMENTAL=0
scripts/test.sh
# The lints need none of the tests' programs, which take gigabytes of a disk that may be small.
find target/debug/deps -maxdepth 1 -type f -executable ! -name '*.so' -delete
scripts/lint.sh
echo "all checks passed in $(((SECONDS - start) / 60)) min $(((SECONDS - start) % 60)) s"

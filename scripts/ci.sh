#!/usr/bin/env bash
# What continuous integration runs: the test command of the README, then the lints.
set -euo pipefail
cd "$(dirname "$0")/.."
start=$SECONDS
scripts/test.sh
scripts/lint.sh
echo "all checks passed in $(((SECONDS - start) / 60)) min $(((SECONDS - start) % 60)) s"

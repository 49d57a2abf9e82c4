#!/usr/bin/env bash
# Builds and tests the TypeScript client, as npm packs it: in Node, in Chromium, and through bundlers.
#   scripts/typescript.sh [PATH_TO_MANTISDB]      after npm ci in web/, and cargo xtask guests
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
MANTISDB_BIN=$(realpath "${1:-target/debug/mantisdb}")
export MANTISDB_BIN
[ -r guest/target/components/leaderboard.wasm ] || fail "the guest components are missing" "cargo xtask guests"
[ -d web/node_modules ] || fail "the packages of the page's tests are missing" "npm --prefix web ci"
lock=embed/typescript/package-lock.json
if ! [ embed/typescript/node_modules/.package-lock.json -nt "$lock" ]; then
    npm --prefix embed/typescript ci --no-audit --no-fund --loglevel=error
fi
npm --prefix embed/typescript test

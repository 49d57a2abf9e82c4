#!/usr/bin/env bash
# Runs the packages of PostgREST's and Supabase's users against a server: tests/clients.
#   scripts/clients.sh [PATH_TO_MANTISDB]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
[ -r guest/target/components/leaderboard.wasm ] || fail "the guest components are missing" "cargo xtask guests"
mantisdb=$(realpath "${1:-target/debug/mantisdb}")
work=$(mktemp -d)
server=''
trap 'stop; rm -rf "$work"' EXIT
npm --prefix tests/clients/js ci --no-audit --no-fund --loglevel=error
pip=(target/clients/bin/python -m pip --quiet --disable-pip-version-check)
if ! "${pip[@]}" install --no-index --requirement tests/clients/python/requirements.txt 2>/dev/null; then
    python3 -m venv --clear target/clients
    "${pip[@]}" install --requirement tests/clients/python/requirements.txt
fi
serve "$mantisdb" "$work/log" --memory
export MANTISDB_URL=$url
step "postgrest-js and supabase-js"
npm --prefix tests/clients/js test
step "postgrest-py and supabase-py"
target/clients/bin/python tests/clients/python/run.py "$url"

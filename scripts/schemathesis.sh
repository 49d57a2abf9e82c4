#!/usr/bin/env bash
# Runs schemathesis with all its checks, for all operations, against /openapi.json of a running server.
#   scripts/schemathesis.sh PATH_TO_MANTISDB [EXAMPLES_PER_OPERATION [SEED]]
# Needs the guest components (cargo xtask guests) and what scripts/setup.sh installs. Shows the whole report when something is found.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
. scripts/lib.sh
mantisdb=$(realpath "${1:?the path of the mantisdb binary}")
examples=${2:-80}
seed=${3:-1}
[ -x target/python/bin/schemathesis ] || fail "schemathesis is missing" "scripts/setup.sh installs it"
[ -r guest/target/components/counter.wasm ] || fail "the guest components are missing" "cargo xtask guests"
work=$(mktemp -d)
"$mantisdb" serve --memory --listen 127.0.0.1:0 >"$work/log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 100); do
    url=$(grep -o 'http://127.0.0.1:[0-9]*' "$work/log" | head -n 1 || true)
    [ -n "$url" ] && break
    sleep 0.1
done
[ -n "$url" ] || fail "the server did not start" "its log: $(cat "$work/log")"

# What it learns of a run stays out of the tree: each run begins anew.
cd "$work"
export SCHEMATHESIS_HOOKS=schemathesis_hooks PYTHONPATH="$root/tests" PYTHONDONTWRITEBYTECODE=1
if ! "$root/target/python/bin/schemathesis" --config-file "$root/tests/schemathesis.toml" run "$url/openapi.json" --no-color \
    --checks all --max-examples "$examples" --seed "$seed" --continue-on-failure >"$work/report" 2>&1; then
    cat "$work/report"
    fail "schemathesis found something" "scripts/schemathesis.sh $mantisdb $examples $seed runs the same requests again"
fi
kill -0 "$server" || fail "the server is gone" "its log: $(tail -n 20 "$work/log")"
printf 'seed %s: %s operations, %s\n' "$seed" "$(sed -n 's/^  Tested: //p' "$work/report")" "$(grep -o '[0-9]* generated.*' "$work/report")"

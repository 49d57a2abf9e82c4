#!/usr/bin/env bash
# Runs schemathesis with all its checks against /openapi.json of a running server.
#   scripts/schemathesis.sh PATH_TO_MANTISDB [EXAMPLES_PER_OPERATION]
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
. scripts/lib.sh
mantisdb=$(realpath "${1:?the path of the mantisdb binary}")
examples=${2:-20}
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
# Left out: installing plugins. What makes a component or its limits acceptable cannot be said in a schema.
cd "$work"
export SCHEMATHESIS_HOOKS=schemathesis_hooks PYTHONPATH="$root/tests"
"$root/target/python/bin/schemathesis" run "$url/openapi.json" --checks all \
    --exclude-operation-id installPlugin --max-examples "$examples" --seed 1

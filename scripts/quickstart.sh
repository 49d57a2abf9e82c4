#!/usr/bin/env bash
# Does what the README's first page tells a stranger to do, with real input, and compares every answer.
#   scripts/quickstart.sh PATH_TO_MANTISDB
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
mantisdb=$(realpath "${1:?the path of the mantisdb binary}")
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

passed=0
# check NAME EXPECTED ACTUAL
check() {
    if [ "$2" = "$3" ]; then passed=$((passed + 1)); else fail "$1: expected '$2'" "got '$3'"; fi
}

check health healthy "$(curl -fsS "$url/health" | sed 's/.*"status":"\([a-z]*\)".*/\1/')"
curl -fsS -X PUT "$url/api/v1/kv/test" -H 'Content-Type: application/json' -d '{"value": [72,101,108,108,111]}'
check 'the value put as an array' Hello "$(curl -fsS "$url/api/v1/kv/test")"
check 'stats name the pool' 1 "$(curl -fsS "$url/stats" | grep -c '"total_connections"')"

words=/usr/share/dict/american-english
characters=/usr/share/unicode/UnicodeData.txt
export MANTISDB_URL=$url
"$mantisdb" import --bucket words "$words"
"$mantisdb" export --bucket words >"$work/words"
cmp "$words" "$work/words" && passed=$((passed + 1))
"$mantisdb" import --bucket unicode --format csv --delimiter ';' --no-header --key 1 "$characters"
"$mantisdb" export --bucket unicode >"$work/characters"
cmp "$characters" "$work/characters" && passed=$((passed + 1))
check 'listing by prefix' "$(grep -c '^zoo' "$words")" \
    "$(curl -fsS "$url/api/v1/buckets/words/kv?prefix=zoo&limit=1000" | grep -o '"zoo[^"]*"' | wc -l)"
"$mantisdb" backup "$work/backup"
"$mantisdb" restore "$work/backup" --data "$work/copy"
check 'a backup restored is all right' 1 "$("$mantisdb" check --data "$work/copy" | grep -c '^all right')"
echo "$passed passed, 0 failed"

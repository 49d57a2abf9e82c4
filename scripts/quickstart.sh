#!/usr/bin/env bash
# Does what the README's first page tells a stranger to do, with real input, and compares every answer. The input is imported and
# exported in memory and, with the default durability, on the disk; both times are printed.
#   scripts/quickstart.sh PATH_TO_MANTISDB
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
mantisdb=$(realpath "${1:?the path of the mantisdb binary}")
words=/usr/share/dict/american-english
characters=/usr/share/unicode/UnicodeData.txt
work=$(mktemp -d)
server=''
trap 'stop; rm -rf "$work"' EXIT

# start OPTION...: a server, which the client commands talk to
start() {
    serve "$mantisdb" "$work/log" "$@"
    export MANTISDB_URL=$url
}

passed=0
# check NAME EXPECTED ACTUAL
check() {
    if [ "$2" = "$3" ]; then passed=$((passed + 1)); else fail "$1: expected '$2'" "got '$3'"; fi
}

# same FILE FILE
same() { if cmp "$1" "$2"; then passed=$((passed + 1)); else fail "an export differs from what was imported" "compare $1"; fi; }

# import_and_export WHERE: the real input in, and out again byte for byte.
import_and_export() {
    local began=${EPOCHREALTIME/[.,]/}
    "$mantisdb" import --bucket words "$words"
    "$mantisdb" export --bucket words >"$work/words"
    "$mantisdb" import --bucket unicode --format csv --delimiter ';' --no-header --key 1 "$characters"
    "$mantisdb" export --bucket unicode >"$work/characters"
    local ended=${EPOCHREALTIME/[.,]/}
    same "$words" "$work/words"
    same "$characters" "$work/characters"
    echo "$1: imported and exported in $(((ended - began) / 1000)) ms"
}

# undescribed: the statistics of /stats that the reference does not name.
undescribed() {
    curl -fsS "$url/stats" | grep -o '"[a-z0-9_]*":' | tr -d '":' | sort -u | while read -r name; do
        grep -q "[\`.]$name\`" docs/reference/http.md || echo "$name"
    done
}

start --memory
check health healthy "$(curl -fsS "$url/health" | sed 's/.*"status":"\([a-z]*\)".*/\1/')"
curl -fsS -X PUT "$url/api/v1/kv/test" -H 'Content-Type: application/json' -d '{"value": [72,101,108,108,111]}'
check 'the value put as an array' Hello "$(curl -fsS "$url/api/v1/kv/test")"
check 'stats name the pool' 1 "$(curl -fsS "$url/stats" | grep -c '"total_connections"')"
import_and_export 'in memory'
check 'listing by prefix' "$(grep -c '^zoo' "$words")" \
    "$(curl -fsS "$url/api/v1/buckets/words/kv?prefix=zoo&limit=1000" | grep -o '"zoo[^"]*"' | wc -l)"
"$mantisdb" backup "$work/backup"
"$mantisdb" restore "$work/backup" --data "$work/copy"
check 'a backup restored is all right' 1 "$("$mantisdb" check --data "$work/copy" | grep -c '^all right')"
stop

start --data "$work/data"
check 'figures that docs/reference/http.md leaves out' '' "$(undescribed)"
import_and_export 'on the disk'
stop
start --data "$work/data"
"$mantisdb" export --bucket words >"$work/words"
same "$words" "$work/words"
stop
check 'the directory is all right' 1 "$("$mantisdb" check --data "$work/data" | grep -c '^all right')"
echo "$passed passed, 0 failed"

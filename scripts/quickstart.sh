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
codes=/usr/share/iso-codes/json
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
    "$mantisdb" export --bucket words --format imported >"$work/words"
    "$mantisdb" import --bucket unicode --format csv --delimiter ';' --no-header --key 1 "$characters"
    "$mantisdb" export --bucket unicode --format imported >"$work/characters"
    local ended=${EPOCHREALTIME/[.,]/}
    same "$words" "$work/words"
    same "$characters" "$work/characters"
    echo "$1: imported and exported in $(((ended - began) / 1000)) ms"
}

# tables WHERE: the same characters, and the world's countries, as rows; questions; and out again.
tables() {
    local began=${EPOCHREALTIME/[.,]/} names=code,name,category,combining,bidi,decomposition,decimal,digit,numeric
    "$mantisdb" table import characters "$characters" --create --primary-key code --delimiter ';' \
        --columns $names,mirrored,old_name,comment,upper,lower,title
    "$mantisdb" table import countries $codes/iso_3166-1.json --create --primary-key alpha_2
    "$mantisdb" table import languages $codes/iso_639-3.json --create --primary-key alpha_3
    "$mantisdb" table create subdivisions --primary-key code --foreign-key country=countries.alpha_2 \
        --column code:text --column country:text:not-null --column name:text --column type:text --column parent:text
    sed 's/"code": "\(..\)/"country": "\1", &/' $codes/iso_3166-2.json |
        "$mantisdb" table import subdivisions --format json
    "$mantisdb" table export characters --format csv >"$work/characters.csv"
    local ended=${EPOCHREALTIME/[.,]/}
    echo "$1: tables imported and exported in $(((ended - began) / 1000)) ms"
    check 'every character is a row' "$(wc -l <"$characters")" "$(tail -n +2 "$work/characters.csv" | wc -l)"
    check 'a character by its name' '1F980,CRAB' "$(ask characters 'name=eq.CRAB&select=code,name')"
    check 'capital letters' "$(grep -c ';Lu;' "$characters")" "$(ask characters 'category=eq.Lu&select=count()')"
    check 'a country and its parts' 'Austria,"[{""count"":9}]"' \
        "$(ask countries 'alpha_2=eq.AT&select=name,subdivisions(count())')"
    check 'a part and its country' "Île-de-France,\"{\"\"name\"\":\"\"France\"\"}\"" \
        "$(ask subdivisions 'code=eq.FR-IDF&select=name,countries(name)')"
    check 'a country that is none' 23503 "$(echo '{"code":"XX-1","country":"XX"}' |
        "$mantisdb" table import subdivisions --format ndjson --json 2>&1 | grep -o 23503 | head -n 1)"
}

# ask TABLE QUERY: the rows as CSV, without the header
ask() { "$mantisdb" table select "$1" "$2" --csv 2>/dev/null | tail -n +2; }

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
curl -fsS -X PUT "$url/api/v1/kv/ann" -H 'Content-Type: application/json' -d '{"name":"Ann"}'
check 'the document put as it is' '{"name":"Ann"}' "$(curl -fsS "$url/api/v1/kv/ann" -H 'Accept: application/json')"
check 'stats name the pool' 1 "$(curl -fsS "$url/stats" | grep -c '"total_connections"')"
import_and_export 'in memory'
tables 'in memory'
check 'listing by prefix' "$(grep -c '^zoo' "$words")" \
    "$(curl -fsS "$url/api/v1/buckets/words/kv?prefix=zoo&limit=1000" | grep -o '"zoo[^"]*"' | wc -l)"
"$mantisdb" backup "$work/backup"
"$mantisdb" restore "$work/backup" --data "$work/copy"
check 'a backup restored is all right' 1 "$("$mantisdb" check --data "$work/copy" | grep -c '^all right')"
stop

start --data "$work/data"
check 'figures that docs/reference/http.md leaves out' '' "$(undescribed)"
import_and_export 'on the disk'
tables 'on the disk'
stop
start --data "$work/data"
check 'rows are there after a restart' Ghotuo "$(ask languages 'alpha_3=eq.aaa&select=name')"
"$mantisdb" export --bucket words --format imported >"$work/words"
same "$words" "$work/words"
stop
check 'the directory is all right' 1 "$("$mantisdb" check --data "$work/data" | grep -c '^all right')"
echo "$passed passed, 0 failed"

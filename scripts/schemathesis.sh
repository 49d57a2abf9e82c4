#!/usr/bin/env bash
# Runs schemathesis with all its checks, for all operations, against /openapi.json of a running server: one in memory, and with fewer
# examples one that keeps its data on the disk.
#   scripts/schemathesis.sh PATH_TO_MANTISDB [EXAMPLES_PER_OPERATION [SEED]]
# Needs the guest components (cargo xtask guests) and what scripts/setup.sh installs. Shows the whole report when something is found.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
. scripts/lib.sh
mantisdb=$(realpath "${1:?the path of the mantisdb binary}")
examples=${2:-80}
seed=${3:-1}
# What depends on the disk is in few answers, and each write waits for it.
disk_share=8
[ -x target/python/bin/schemathesis ] || fail "schemathesis is missing" "scripts/setup.sh installs it"
[ -r guest/target/components/counter.wasm ] || fail "the guest components are missing" "cargo xtask guests"
work=$(mktemp -d)
server=''
trap 'stop; rm -rf "$work"' EXIT
# What it learns of a run stays out of the tree: each run starts from nothing.
cd "$work"
export SCHEMATHESIS_HOOKS=schemathesis_hooks PYTHONPATH="$root/tests" PYTHONDONTWRITEBYTECODE=1

# tables: makes the tables that the hooks name, and one that nothing else names.
tables() {
    local name
    for name in writers books shelves; do
        curl -fsS -o "$work/made" -X PUT "$url/api/v1/schema/tables/$name" -H 'content-type: application/json' \
            -d '{"columns": [{"name": "id", "type": "bigint", "identity": true}, {"name": "name", "type": "text"},
                 {"name": "details", "type": "jsonb"}], "primary_key": ["id"]}'
        curl -fsS -o "$work/made" "$url/api/v1/tables/$name" -H 'content-type: application/json' \
            -d '[{"name": "a", "details": {"b": 1}}, {"name": "c", "details": null}]'
    done
}

# pass NAME EXAMPLES: one run against the server that was started.
pass() {
    if ! "$root/target/python/bin/schemathesis" --config-file "$root/tests/schemathesis.toml" run "$url/openapi.json" --no-color \
        --checks all --max-examples "$2" --seed "$seed" --continue-on-failure >"$work/report" 2>&1; then
        cat "$work/report"
        fail "schemathesis found something" "scripts/schemathesis.sh $mantisdb $examples $seed runs the same requests again"
    fi
    kill -0 "$server" || fail "the server is gone" "its log: $(tail -n 20 "$work/log")"
    printf '%s, seed %s: %s operations, %s\n' "$1" "$seed" "$(sed -n 's/^  Tested: //p' "$work/report")" \
        "$(grep -o '[0-9][0-9]* generated,.*' "$work/report")"
}

serve "$mantisdb" "$work/log" --memory
tables
pass 'in memory' "$examples"
stop

serve "$mantisdb" "$work/log" --data "$work/data"
tables
[ "$(curl -fsS -o /dev/null -w '%header{mantisdb-durable}' -T "$root/README.md" "$url/api/v1/kv/readme")" = true ] \
    || fail "a write is not said to be durable" "look at its headers"
curl -fsS "$url/stats" | grep -q '"synced_version"' || fail "/stats has no figures of the disk" "look at it"
pass 'on the disk' $(((examples + disk_share - 1) / disk_share))

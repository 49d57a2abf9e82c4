#!/usr/bin/env bash
# Runs the conformance cases of PostgREST's dialect, where a folder of them is given: it has run.py, fixtures.json and files of cases.
#   scripts/conformance.sh [FOLDER [PATH_TO_MANTISDB]]
# Each file of cases runs against an empty server with the settings of PostgREST; cases that need another setting run again with it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
folder=${1:-}
mantisdb=$(realpath "${2:-target/debug/mantisdb}")
if [ -z "$folder" ] || [ ! -r "$folder/run.py" ]; then
    echo "no folder of conformance cases: none were run"
    exit 0
fi
work=$(mktemp -d)
server=''
trap 'stop; rm -rf "$work"' EXIT

# pass SETTINGS OPTIONS...: every file of cases against a server with these settings.
pass() {
    local settings=$1 cases failed=''
    printf '%s' "$settings" >"$work/config.toml"
    for cases in "$folder"/cases*.jsonl; do
        serve "$mantisdb" "$work/log" --memory --config "$work/config.toml"
        printf '%s %s: ' "$(basename "$cases")" "${*:2}"
        python3 "$folder/run.py" "$url" --cases "$cases" "${@:2}" || failed=yes
        kill -0 "$server" || fail "the server is gone" "its log: $(tail -n 20 "$work/log")"
        stop
    done
    [ -z "$failed" ] || fail "cases failed" "they are named above"
}

# only NEED: the ids of the cases that need a setting, with commas between them.
only() {
    python3 - "$1" "$folder"/cases*.jsonl <<'PYTHON'
import json, sys
cases = [json.loads(line) for name in sys.argv[2:] for line in open(name) if line.startswith("{")]
print(",".join(case["id"] for case in cases if case.get("needs") == sys.argv[1]))
PYTHON
}

pass $'[tables]\nsafe_update = false\n'
ids=$(only safe-update); [ -z "$ids" ] || pass $'[tables]\nsafe_update = true\n' --has safe-update --only "$ids"
ids=$(only cors); [ -z "$ids" ] || pass $'[tables]\nsafe_update = false\n[http]\ncors_origins = ["*"]\n' --has cors --only "$ids"
ids=$(only max-rows=2); [ -z "$ids" ] || pass $'[tables]\nsafe_update = false\nmax_rows = 2\n' --has max-rows=2 --only "$ids"

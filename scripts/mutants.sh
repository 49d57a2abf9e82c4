#!/usr/bin/env bash
# Tests the tests: builds a crate with known bugs, its mutants (host/store/src/mutants.rs), and shows that its suite catches each.
#   scripts/mutants.sh [NAME ...]    all of them when none is named
# A line of tests/mutants.txt of a crate names a mutant and the tests that must fail on it. A mutant counts as caught when one of these
# tests is reported as failed: what does not compile, ends by a signal, or does not end without such a report shows nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

log=$(mktemp)
trap 'rm -f "$log"' EXIT
names=" $* "
mutants=0 caught=0 missed=()

# The mutants of the crate CRATE in host/FOLDER, whose tests are the binary TEST. The other arguments are tests that must pass without a
# bug: the quick ones; the others pass in the build without the feature.
try() {
    local folder=$1 crate=$2 binary=$3 list=host/$1/tests/mutants.txt sources listed name filters status failed
    shift 3
    sources=$(grep -rhoE --exclude=mutants.rs 'mutant!\("[a-z-]+"' "host/$folder/src" | cut -d'"' -f2 | sort -u)
    listed=$(grep -vE '^(#|$)' "$list" | cut -d' ' -f1 | sort -u)
    [ "$sources" = "$listed" ] ||
        fail "the mutants in host/$folder/src and in $list differ" "$(diff <(echo "$sources") <(echo "$listed") || true)"
    run() { timeout 300 cargo test -q -p "$crate" --features mutants --test "$binary" -- "$@"; }
    # Not within the time of a run: a machine may be slow.
    cargo test -q -p "$crate" --features mutants --test "$binary" --no-run
    step "$crate: the quick ones of these tests without a bug" >&2
    run "$@" >"$log" 2>&1 || { cat "$log"; fail "the tests fail without a bug" "what they said is above"; }
    while read -r name filters; do
        [ -z "${names// /}" ] || [[ "$names" == *" $name "* ]] || continue
        mutants=$((mutants + 1))
        status=0
        # shellcheck disable=SC2086
        MANTIS_MUTANT=$name run $filters >"$log" 2>&1 || status=$?
        failed=$(grep -c -- '--- FAILED' "$log" || true)
        # cargo's status for tests that failed, or that of the time-out: a bug may also keep a test from ending.
        if [ "$failed" -gt 0 ] && { [ "$status" -eq 124 ] || { [ "$status" -eq 101 ] && grep -q '^test result: FAILED' "$log"; }; }; then
            caught=$((caught + 1))
            echo "caught: $name, by $failed tests"
        else
            missed+=("$name")
            tail -n 20 "$log"
            echo "missed: $name (exit status $status, $failed tests failed)"
        fi
    done < <(grep -vE '^(#|$)' "$list")
}

try store mantis-store main durability::undo durability::round_trip expiry feed isolation snapshots
try db mantis-db it tables::
echo "mutants: $caught of $mutants caught"
[ "${#missed[@]}" -eq 0 ] || fail "the suite does not catch: ${missed[*]}" "what its tests said is above"

#!/usr/bin/env bash
# Tests the tests: builds the engine with bugs to order (host/store/src/planted.rs), and shows that the suite catches each of them.
#   scripts/planted.sh [NAME ...]    all of them when none is named
# A line of host/store/tests/planted.txt names a bug and the tests that must fail of it. A bug counts as caught when a test of them is
# said to have failed: what does not compile, ends by a signal or does not end shows nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

list=host/store/tests/planted.txt
sources=$(grep -rhoE 'planted\("[a-z-]+"\)' host/store/src | cut -d'"' -f2 | sort -u)
listed=$(grep -vE '^(#|$)' $list | cut -d' ' -f1 | sort -u)
[ "$sources" = "$listed" ] || fail "the bugs in host/store/src and in $list differ" "$(diff <(echo "$sources") <(echo "$listed") || true)"

run() { timeout 300 cargo test -q -p mantis-store --features planted --test main -- "$@"; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
step "the quick ones of these tests without a bug (the others pass in the build without the feature)" >&2
run durability::undo durability::round_trip expiry feed isolation snapshots >"$log" 2>&1 ||
    { cat "$log"; fail "the tests fail without a bug"; }
planted=0 caught=0 missed=()
while read -r name filters; do
    [ "$#" -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
    planted=$((planted + 1))
    status=0
    # shellcheck disable=SC2086
    MANTIS_PLANTED=$name run $filters >"$log" 2>&1 || status=$?
    failed=$(grep -c -- '--- FAILED' "$log" || true)
    # cargo's status for tests that failed.
    if [ "$status" -eq 101 ] && [ "$failed" -gt 0 ] && grep -q '^test result: FAILED' "$log"; then
        caught=$((caught + 1))
        echo "caught: $name, by $failed tests"
    else
        missed+=("$name")
        tail -n 20 "$log"
        echo "missed: $name (exit status $status, $failed tests failed)"
    fi
done < <(grep -vE '^(#|$)' $list)
echo "planted bugs: $caught of $planted caught"
[ "${#missed[@]}" -eq 0 ] || fail "the suite does not catch: ${missed[*]}"

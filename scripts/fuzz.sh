#!/usr/bin/env bash
# Fuzzes what reads bytes from outside, by code coverage: runs the targets of fuzz/ with libFuzzer, from the corpus in the repository.
#   scripts/fuzz.sh [SECONDS [TARGET ...]]    20 seconds each, all of them when none is named
# Builds with cargo and the flags that cargo-fuzz gives for `--sanitizer none`, which the pinned compiler has: cargo-fuzz is not needed.
# A failing input is named, and kept in fuzz/artifacts. What is new goes into fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

seconds=${1:-20}
shift || true
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(segment checkpoint codec cursor tables dialect bodies rows documents)

if ! have c++; then
    { [ "$(id -u)" -eq 0 ] && have apt-get && apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends g++; } ||
        fail "a C++ compiler is missing" "libFuzzer is built with one (on Debian: sudo apt-get install g++)"
fi

step "fuzz targets"
host=$(rustc -vV | sed -n 's/^host: //p')
# A target that is named keeps the flags from build scripts.
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0 -Ccodegen-units=1 --cfg fuzzing ${RUSTFLAGS:-}" \
    cargo build --quiet --locked --release --manifest-path fuzz/Cargo.toml --target-dir fuzz/target --target "$host" --bins

log=$(mktemp)
trap 'rm -f "$log"' EXIT
for target in "${targets[@]}"; do
    program=fuzz/target/$host/release/$target
    [ -x "$program" ] || fail "there is no fuzz target called $target" "see fuzz/fuzz_targets"
    # What a store wrote is the best beginning.
    seeds=("host/store/tests/corpus/$target" host/store/tests/golden)
    [ -d "${seeds[0]}" ] || seeds=("fuzz/seeds/$target")
    step "fuzz $target, $seconds s"
    mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
    # New inputs go into the first folder. An input may take 10 seconds, and all of it 1 GiB.
    if ! "$program" -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="fuzz/artifacts/$target/" "fuzz/corpus/$target" "${seeds[@]}" >"$log" 2>&1; then
        tail -n 40 "$log"
        fail "fuzz target $target found something" "run it again with: $program $(grep -o "fuzz/artifacts/$target/[^ ]*" "$log" | tail -n 1)"
    fi
    grep -q ' cov: ' "$log" || { cat "$log"; fail "fuzz target $target saw no coverage" "look at the flags of this build"; }
    coverage=$(grep -oE ' cov: [0-9]+ ft: [0-9]+ corp: [0-9]+' "$log" | tail -n 1 | awk '{ print $2 " edges, " $4 " features, " $6 " inputs kept" }')
    echo "fuzz $target: $(awk '/^stat::number_of_executed_units/ { print $2 }' "$log") executions, $coverage"
done

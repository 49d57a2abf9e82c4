#!/usr/bin/env bash
# Measures MantisDB beside its floors and peers, prints the tables and writes benches/RESULTS.md.
#   scripts/bench.sh [http|engine|pool|plugin ...]    all of them when none is named
# Peers come from the package manager; what is missing is named and left out.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

require taskset "apt-get install util-linux"
which=("$@")
[ "${#which[@]}" -gt 0 ] || which=(http engine pool plugin)
step "building"
cargo xtask guests
cargo build --release -p mantisdb -p mantis-benches
cargo build --release -p mantis-plugin --example call_cost

out=$(mktemp)
{
    echo "# Results"
    echo
    echo "Written by \`just bench\`; how a figure counts is in [README.md](README.md)."
    echo
    echo "- date: $(date -u +%Y-%m-%d)"
    echo "- machine: $(nproc) cores, $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), Linux $(uname -r | cut -d- -f1)"
    echo "- commit: $(git rev-parse --short HEAD)$(git diff --quiet HEAD || echo ' and uncommitted changes')"
    echo "- durability: none; everything is in memory, the peers included"
    for name in "${which[@]}"; do
        step "$name" >&2
        echo
        case $name in
            http) taskset -c 1 target/release/http --seconds 1 ;;
            engine) taskset -c 1 target/release/engine --keys 1000,1000000,10000000 ;;
            pool) target/release/pool ;;
            plugin)
                printf '### Calls between host and guest\n\n```text\n'
                taskset -c 1 target/release/examples/call_cost
                printf '```\n'
                ;;
            *) fail "there is no bench called $name" "http, engine, pool, plugin" ;;
        esac
    done
} | tee "$out"
[ "$#" -gt 0 ] || cp "$out" benches/RESULTS.md
rm -f "$out"

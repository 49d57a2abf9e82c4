#!/usr/bin/env bash
# Measures MantisDB beside its floors and peers, prints the tables and writes them into benches/RESULTS.md.
#   scripts/bench.sh [http|latency|footprint|engine|codec|tables|pool|plugin|contention|durable|disk|compare ...]    all of them when none is named
# A part that is named replaces its section; all of them together write the whole file again.
# Files are made below BENCH_DIR (TMPDIR, /tmp): name a folder on the disk that is to be measured.
# Peers come from the package manager; missing ones are named and left out.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

require taskset "apt-get install util-linux"
require setpriv "apt-get install util-linux"
which=("$@")
[ "${#which[@]}" -gt 0 ] || which=(http latency footprint engine codec tables pool plugin contention durable disk compare)
results=benches/RESULTS.md
scratch=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/tmp}}/mantisdb-bench.XXXXXX")
export TMPDIR=$scratch
group=

# However this ends, the processes that it started end with it, and leave no files.
finish() {
    trap - EXIT INT TERM
    [ -z "$group" ] || kill -TERM -- "-$group" 2>/dev/null || true
    wait || true
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

head_of_results() {
    echo "# Results"
    echo
    echo "Written by \`just bench\`; how a figure counts is in [README.md](README.md)."
    echo
    echo "- machine: $(nproc) cores, $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), Linux $(uname -r | cut -d- -f1)"
    echo "- durability: none, everything is in memory, the peers included, where no other is named"
}

# section NAME: what a part prints, under its name.
section() {
    echo "## $1"
    echo
    echo "$(date -u +%Y-%m-%d), commit $(git rev-parse --short HEAD)$(git diff --quiet HEAD || echo ' and uncommitted changes')"
    echo
    case $1 in
        http) taskset -c 1 target/release/http --seconds 1 ;;
        latency) target/release/latency --dir "$scratch" ;;
        # Ten thousand connections, each with an end here and one in the server.
        footprint) (ulimit -n "$(ulimit -Hn)" && target/release/footprint) ;;
        engine) taskset -c 1 target/release/engine --keys 1000,1000000,10000000 ;;
        codec) taskset -c 1 target/release/codec ;;
        # PostgreSQL runs as a user of its own.
        tables) chmod 711 "$scratch" && target/release/tables --dir "$scratch" ;;
        pool) target/release/pool ;;
        plugin)
            printf '### Calls between host and guest\n\n```text\n'
            taskset -c 1 target/release/examples/call_cost
            printf '```\n'
            ;;
        durable) taskset -c 1 target/release/durable --dir "$scratch" ;;
        disk) target/release/disk --dir "$scratch" ;;
        compare) benches/compare/target/release/compare --dir "$scratch" ;;
    esac
}

# Puts the section in the file $2 in the place of the one named $1, or at the end.
replace_section() {
    awk -v name="## $1" -v new="$2" '
        function put() { print ""; while ((getline line < new) > 0) print line; print ""; is_put = 1 }
        /^## / { is_old = $0 == name; if (is_old) put() }
        !is_old { print }
        END { if (!is_put) put() }
    ' "$results" | cat -s | sed '${/^$/d}' > "$scratch/results"
    cp "$scratch/results" "$results"
}

measure() {
    local name
    step "building"
    cargo xtask guests
    cargo build --release -p mantisdb -p mantis-benches
    cargo build --release -p mantis-plugin --example call_cost
    [[ " ${which[*]} " != *" compare "* ]] || cargo build --release --manifest-path benches/compare/Cargo.toml
    for name in "${which[@]}"; do
        step "$name"
        section "$name" | tee "$scratch/$name"
    done
}

for name in "${which[@]}"; do
    case $name in
        http | latency | footprint | engine | codec | tables | pool | plugin | contention | durable | disk | compare) ;;
        *) fail "there is no bench called $name" "http, latency, footprint, engine, codec, tables, pool, plugin, contention, durable, disk, compare" ;;
    esac
done
# A process group of its own, so that all of it can be ended at once.
set -m
measure &
group=$!
wait "$group"
group=
if [ "$#" -eq 0 ]; then
    head_of_results > "$results"
fi
for name in "${which[@]}"; do
    replace_section "$name" "$scratch/$name"
done

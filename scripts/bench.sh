#!/usr/bin/env bash
# Measures MantisDB beside its floors and peers, prints the tables and writes them into benches/RESULTS.md.
#   scripts/bench.sh [http|latency|footprint|engine|codec|tables|pool|plugin|contention|durable|disk|embed|compare ...]    all of them when none is named
# A part that is named replaces its section; all of them together write the whole file again.
# Files are made below BENCH_DIR (TMPDIR, /tmp): name a folder on the disk that is to be measured.
# Peers come from the package manager; missing ones are named and left out.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

require taskset "apt-get install util-linux"
require setpriv "apt-get install util-linux"
which=("$@")
[ "${#which[@]}" -gt 0 ] || which=(http latency footprint engine codec tables pool plugin contention durable disk embed compare)
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
        embed) target/release/examples/embed_cost --c "$scratch/embed-c" --go "$scratch/embed-go" --dir "$scratch" $without_pgx ;;
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

# The C library, and the programs in C and Go that call it. pgx is Debian's, which Go finds by GOPATH alone.
without_pgx=
build_embed() {
    require cc "apt-get install gcc"
    require go "apt-get install golang-go"
    cargo build --release -p mantis-ffi --lib --example embed_cost
    local include=$PWD/host/ffi/include library=$PWD/target/release sources=/usr/share/gocode
    cc -O2 -std=c11 -D_GNU_SOURCE -I "$include" benches/embed/embed.c -o "$scratch/embed-c" -L "$library" -lmantisdb_c "-Wl,-rpath,$library"
    export CGO_CFLAGS="-O2 -I$include" CGO_LDFLAGS="-L$library -Wl,-rpath,$library"
    if [ -d "$sources/src/github.com/jackc/pgx/v4" ]; then
        mkdir -p "$scratch/go/src/github.com/mantisdb"
        ln -s "$PWD" "$scratch/go/src/github.com/mantisdb/mantisdb"
        GO111MODULE=off GOPATH=$scratch/go:$sources go build -tags pgx -o "$scratch/embed-go" github.com/mantisdb/mantisdb/benches/embed/go
    else
        echo "pgx is missing: its pool is left out (apt-get install golang-github-jackc-pgx-v4-dev)" >&2
        without_pgx=--without-pgx
        (cd benches/embed/go && go build -o "$scratch/embed-go" .)
    fi
}

measure() {
    local name
    step "building"
    if [ "${which[*]}" != embed ]; then
        cargo xtask guests
        cargo build --release -p mantisdb -p mantis-benches
        cargo build --release -p mantis-plugin --example call_cost
    fi
    [[ " ${which[*]} " != *" embed "* ]] || build_embed
    [[ " ${which[*]} " != *" compare "* ]] || cargo build --release --manifest-path benches/compare/Cargo.toml
    for name in "${which[@]}"; do
        step "$name"
        section "$name" | tee "$scratch/$name"
    done
}

for name in "${which[@]}"; do
    case $name in
        http | latency | footprint | engine | codec | tables | pool | plugin | contention | durable | disk | embed | compare) ;;
        *) fail "there is no bench called $name" "http, latency, footprint, engine, codec, tables, pool, plugin, contention, durable, disk, embed, compare" ;;
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

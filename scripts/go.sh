#!/usr/bin/env bash
# Tests the Go package: `scripts/go.sh target/debug/mantisdb [target/debug]`. The second argument is the folder of the C library; without
# one, or without the library in it, only what needs no cgo is tested, and the script says so (in scripts/test.sh it fails).
#   MANTISDB_GO_CALLS, MANTISDB_GO_KILLS: how often calls are cancelled (100,000) and programs killed (5); MANTISDB_GO_FUZZ: seconds for each
#   target.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

MANTISDB_BINARY=$(realpath "${1:-target/debug/mantisdb}")
export MANTISDB_BINARY
library=$(realpath -m "${2:-target/debug}")
# `cargo test` leaves a library only here, and `cargo build` in both places.
[ ! -e "$library/deps/libmantisdb_c.so" ] || library=$library/deps
fuzz=${MANTISDB_GO_FUZZ:-3}
export MANTISDB_GO_KILLS=${MANTISDB_GO_KILLS:-5}
calls=${MANTISDB_GO_CALLS:-100000}
unset MANTISDB_GO_CALLS
long=$((15 + calls / 10000))m
require go "apt-get install golang-go"
root=$PWD
cd embed/go

step "Go: format and vet"
unformatted=$(gofmt -l . ../../benches/embed/go)
[ -z "$unformatted" ] || fail "not formatted: $unformatted" "gofmt -w embed/go"
CGO_ENABLED=0 go vet ./...

step "Go: the licence that a module's archive needs"
printf '%s\n\n' "MantisDB is licensed under either of the Apache License, Version 2.0, or the MIT License, at your option. Both follow." |
    cat - "$root/LICENSE-APACHE" <(echo) "$root/LICENSE-MIT" | cmp - LICENSE ||
        fail "embed/go/LICENSE is not both licences of the repository" "its first line, LICENSE-APACHE, an empty line, LICENSE-MIT"

step "Go: a build without the C library says what to do"
if ! echo '#include <mantisdb.h>' | CPATH='' cc -E - >/dev/null 2>&1; then
    without() { env -u CGO_LDFLAGS -u CPATH CGO_ENABLED=1 CGO_CFLAGS="" go build -o /dev/null "$@" ./examples/quickstart; }
    ! told=$(without 2>&1) || fail "a build without mantisdb.h succeeds" "see embed/go/pool/local.h"
    for word in 'mantisdb.h is not there' '-tags mantisdb_remote' 'CGO_ENABLED=0' 'just install-c' CGO_CFLAGS CGO_LDFLAGS; do
        grep -qF -- "$word" <<<"$told" || fail "a build without mantisdb.h does not say $word: $told" "see embed/go/pool/local.h"
    done
    without -tags mantisdb_remote
    ! told=$(env -u MANTISDB_URL CGO_ENABLED=1 go run -tags mantisdb_remote ./examples/quickstart 2>&1) ||
        fail "a program for servers only opens a database in memory" "see local_none.go"
    grep -qF local-not-built <<<"$told" || fail "a program for servers only does not say that it is one: $told" "see ErrNotBuilt"
fi

step "Go without cgo, against a server"
CGO_ENABLED=0 go test -count=1 -timeout 5m ./...
for target in FuzzPages FuzzRows FuzzArguments; do
    CGO_ENABLED=0 go test -run '^$' -fuzz "^$target\$" -fuzztime "${fuzz}s" ./pool
done

step "Go with the race detector, against a server"
MANTISDB_GO_CALLS=$calls go test -tags mantisdb_remote -race -count=1 -timeout "$long" ./...

if [ -e "$library/libmantisdb_c.so" ]; then
    step "Go with cgo and a local database"
    export CGO_CFLAGS="-I$root/host/ffi/include"
    export CGO_LDFLAGS="${CGO_LDFLAGS:-} -L$library -Wl,-rpath,$library"
    go vet ./...
    (cd ../../benches/embed/go && go vet .)
    MANTISDB_GO_CALLS=$calls MANTISDB_GO_TRANSPORT=local GODEBUG=cgocheck=2 go test -race -count=1 -timeout "$long" ./pool
else
    left_out "no libmantisdb_c.so in $library: local databases are not tested" "cargo build -p mantis-ffi builds it"
fi

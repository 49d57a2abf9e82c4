#!/usr/bin/env bash
# Tests the Go package: `scripts/go.sh target/debug/mantisdb [target/debug]`. The second argument is the folder of the C library; without
# one, or without the library in it, only what needs no cgo is tested, and the script says so (in scripts/test.sh it fails).
#   MANTISDB_GO_CALLS, MANTISDB_GO_KILLS: how often calls are cancelled and programs killed; MANTISDB_GO_FUZZ: seconds for each target.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

MANTISDB_BINARY=$(realpath "${1:-target/debug/mantisdb}")
export MANTISDB_BINARY
library=$(realpath -m "${2:-target/debug}")
# `cargo test` leaves a library only here, and `cargo build` in both places.
[ ! -e "$library/deps/libmantisdb_c.so" ] || library=$library/deps
fuzz=${MANTISDB_GO_FUZZ:-3}
require go "apt-get install golang-go"
root=$PWD
cd embed/go

step "Go: format and vet"
unformatted=$(gofmt -l . ../../benches/embed/go)
[ -z "$unformatted" ] || fail "not formatted: $unformatted" "gofmt -w embed/go"
CGO_ENABLED=0 go vet ./...

step "Go without cgo, against a server"
CGO_ENABLED=0 go test -count=1 -timeout 5m ./...
for target in FuzzPages FuzzRows FuzzArguments; do
    CGO_ENABLED=0 go test -run '^$' -fuzz "^$target\$" -fuzztime "${fuzz}s" ./pool
done

step "Go with the race detector, against a server"
go test -tags mantisdb_remote -race -count=1 -timeout 5m ./...

if [ -e "$library/libmantisdb_c.so" ]; then
    step "Go with cgo and a local database"
    export CGO_CFLAGS="-I$root/host/ffi/include"
    export CGO_LDFLAGS="${CGO_LDFLAGS:-} -L$library -Wl,-rpath,$library"
    go vet ./...
    (cd ../../benches/embed/go && go vet .)
    MANTISDB_GO_TRANSPORT=local GODEBUG=cgocheck=2 go test -race -count=1 -timeout 5m ./pool
else
    left_out "no libmantisdb_c.so in $library: local databases are not tested" "cargo build -p mantis-ffi builds it"
fi

#!/usr/bin/env bash
# Runs every test: sets up what is missing, builds the guests and the page, then the Rust tests, the HTTP API with
# made-up requests (schemathesis), the page in Chromium, the quick start with real input, and the tutorial. The README names it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

# For this script alone: a server warns of a variable of its own that means nothing.
conformance=${MANTISDB_CONFORMANCE:-}
unset MANTISDB_CONFORMANCE
# What scripts/setup.sh installs is there: a step that lacks a tool fails.
export NOTHING_LEFT_OUT=1

scripts/setup.sh
step "what builds and checks the repository"
cargo test -p xtask
step "guest components"
cargo xtask guests
cargo test --manifest-path guest/Cargo.toml -p mantis-guest --doc
step "page"
cargo xtask web
# One selection of packages, so that shared dependencies are built with one set of features, once. The server that the later steps
# run is built with it. The page's crate is tested in a page, xtask above, and the benches have no tests.
step "Rust tests"
cargo test --workspace --exclude mantis-web --exclude mantis-benches --exclude xtask --no-fail-fast
step "the tests, tested with mutants"
scripts/mutants.sh
scripts/fuzz.sh 20
step "schemathesis: requests made up from /openapi.json, valid and not"
scripts/schemathesis.sh target/debug/mantisdb
step "conformance cases of the tables' dialect"
scripts/conformance.sh "$conformance"
step "clients of PostgREST and Supabase"
scripts/clients.sh target/debug/mantisdb
scripts/python.sh target/debug/mantisdb
step "the Go package"
scripts/go.sh target/debug/mantisdb target/debug
step "a full disk and a failing one"
scripts/disk-faults.sh target/debug/mantisdb
step "browser tests"
npm --prefix web test
step "the TypeScript client, as npm packs it"
scripts/typescript.sh target/debug/mantisdb
step "the C interface"
scripts/ffi.sh target/debug/deps
step "quick start and real input"
scripts/quickstart.sh target/debug/mantisdb
step "the tutorial"
scripts/tutorial.sh target/debug/mantisdb

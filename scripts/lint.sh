#!/usr/bin/env bash
# Formatting, lints, licences and documentation. Warnings are errors.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

step "rustfmt"
cargo fmt --all --check
cargo fmt --all --check --manifest-path guest/Cargo.toml
cargo fmt --check --manifest-path guest/wasi/Cargo.toml
cargo fmt --check --manifest-path fuzz/Cargo.toml
step "imports: between crates, folders and files"
cargo xtask rooms
step "clippy"
cargo clippy --workspace --all-targets -- -D warnings
cargo clippy --manifest-path guest/Cargo.toml --workspace --target wasm32-unknown-unknown -- -D warnings
cargo clippy --manifest-path fuzz/Cargo.toml --no-default-features --all-targets -- -D warnings
step "clippy, as a page is built"
cargo clippy -p mantis-web --target wasm32-unknown-unknown -- -D warnings
cargo clippy -p mantis-web --features tables --target wasm32-unknown-unknown -- -D warnings
step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
RUSTDOCFLAGS="-D warnings" cargo doc --manifest-path guest/Cargo.toml --no-deps -p mantis-guest -p mantis-guest-derive
step "licences, sources, duplicates"
# Without advisories: their database has a host of its own, which cannot be assumed (`just audit` asks it).
cargo_deny --log-level error check bans licenses sources
scripts/package.sh

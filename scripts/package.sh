#!/usr/bin/env bash
# Packs the crates that strangers depend on, as a registry would get them, and checks what is in them.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

# check MANIFEST CRATE...: packs the crates of a workspace that depend on each other, together.
check() {
    local manifest=$1 crate packages=()
    for crate in "${@:2}"; do packages+=(--package "$crate"); done
    cargo package --quiet --manifest-path "$manifest" --allow-dirty --no-verify "${packages[@]}"
    for crate in "${@:2}"; do
        local listed needed
        listed=$(cargo package --quiet --manifest-path "$manifest" --allow-dirty --list --package "$crate")
        for needed in Cargo.toml README.md LICENSE-APACHE LICENSE-MIT src/lib.rs; do
            grep -qx "$needed" <<<"$listed" || fail "the package of $crate lacks $needed" "see \`include\` in its Cargo.toml"
        done
        if grep -qE '^(tests|proptest-regressions)/|clippy.toml' <<<"$listed"; then
            fail "the package of $crate has files that are not for its users" "see \`include\` in its Cargo.toml"
        fi
        echo "$crate: $(wc -l <<<"$listed") files"
    done
}

step "packages of crates"
check Cargo.toml mantis-store mantis-dialect mantis-pool mantis-db
check guest/Cargo.toml mantis-guest-derive mantis-guest

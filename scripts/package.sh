#!/usr/bin/env bash
# Packs the crates that strangers depend on, as a registry would get them, checks what is in them, and compiles them from there: a file
# that is missing in a package shows only then.
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

step "the packages, compiled"
# The registry has none of them yet, so each takes the others from its neighbouring folder.
packed=target/packed
rm -rf "$packed/src"
mkdir -p "$packed/src"
for crate in mantis-store mantis-dialect mantis-pool mantis-db; do tar -xzmf target/package/"$crate"-[0-9]*.crate -C "$packed/src"; done
for crate in mantis-guest-derive mantis-guest; do tar -xzmf guest/target/package/"$crate"-[0-9]*.crate -C "$packed/src"; done
{
    printf '[workspace]\nresolver = "3"\nmembers = ["src/*"]\n\n[patch.crates-io]\n'
    for folder in "$packed"/src/*; do
        folder=${folder##*/}
        echo "${folder%-*} = { path = \"src/$folder\" }"
    done
} >"$packed/Cargo.toml"
cp Cargo.lock "$packed/Cargo.lock"
CARGO_TARGET_DIR=$packed/target cargo check --quiet --workspace --manifest-path "$packed/Cargo.toml"

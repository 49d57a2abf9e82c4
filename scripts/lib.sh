# Shared by the scripts in this folder: short words for common steps. Sourced, not run.

step() { printf '\n== %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }

# fail MESSAGE HINT
fail() {
    printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

# require COMMAND WHERE_FROM
require() { have "$1" || fail "$1 is missing" "$2"; }

# The cargo-deny on the PATH if it is there, else the one that setup.sh installs.
cargo_deny() { if have cargo-deny; then cargo-deny "$@"; else target/tools/bin/cargo-deny "$@"; fi; }

#!/usr/bin/env bash
# Installs what building and testing need beyond rustup and a C compiler, or names the missing tools and fails.
#   wasm targets (rustup), Chromium and the files of the import tests (package manager, as root), npm packages (web/),
#   schemathesis and the Python client's packages (into target/python), cargo-deny (cargo, into target/tools), and strace where that is possible.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

require rustup "https://rustup.rs"
require cc "a C compiler: apt-get install gcc libc6-dev"
toolchain=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
step "Rust $toolchain with its wasm targets"
if ! rustup run "$toolchain" rustc --version >/dev/null 2>&1; then
    rustup toolchain install "$toolchain" --profile minimal --component rustfmt,clippy
fi
rustup component add --toolchain "$toolchain" rustfmt clippy
rustup target add --toolchain "$toolchain" wasm32-unknown-unknown wasm32-wasip2

# The first Python that schemathesis runs on and that can make a virtual environment: Debian has the module in a package of its own.
python_with_venv() {
    local python
    for python in python3 /usr/bin/python3; do
        if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    return 1
}

step "Debian packages"
packages=()
have chromium || packages+=(chromium)
[ -r /usr/share/dict/american-english ] || packages+=(wamerican)
[ -r /usr/share/unicode/UnicodeData.txt ] || packages+=(unicode-data)
[ -r /usr/share/iso-codes/json/iso_3166-1.json ] || packages+=(iso-codes)
have curl || packages+=(curl)
python_with_venv >/dev/null || packages+=(python3 python3-venv)
have clang || packages+=(clang)
have g++ || packages+=(g++)
have valgrind || packages+=(valgrind)
have cmake || packages+=(cmake)
have pkg-config || packages+=(pkg-config)
have node || packages+=(nodejs)
have go || packages+=(golang-go)
have npm || packages+=(npm)
if [ "${#packages[@]}" -gt 0 ]; then
    if [ "$(id -u)" -eq 0 ] && have apt-get; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
    else
        fail "missing: ${packages[*]}" "install them with your package manager (on Debian: sudo apt-get install ${packages[*]})"
    fi
fi
# The tests of failing disks do without it.
if ! have strace; then
    { [ "$(id -u)" -eq 0 ] && have apt-get && apt-get install -y -qq --no-install-recommends strace; } ||
        echo "strace is missing, and scripts/disk-faults.sh will do less (on Debian: sudo apt-get install strace)"
fi
node_major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
[ "$node_major" -ge 20 ] || fail "Node.js $node_major is too old" "install Node.js 20 or newer"

step "npm packages"
npm --prefix web ci --no-audit --no-fund --loglevel=error

step "Python packages"
pip=(target/python/bin/python -m pip --quiet --disable-pip-version-check)
# Without an index this only looks whether they are there.
if ! "${pip[@]}" install --no-index --requirement tests/requirements.txt 2>/dev/null; then
    python=$(python_with_venv) || fail "no Python 3.11 or newer with the venv module" "install one (on Debian: sudo apt-get install python3-venv)"
    "$python" -m venv --clear target/python
    "${pip[@]}" install --requirement tests/requirements.txt
fi

step "cargo-deny"
if ! cargo_deny --version >/dev/null 2>&1; then
    # Not optimised: it reads a few files once, and is built in half the time.
    cargo install --quiet --locked --debug --root target/tools cargo-deny@0.20.2
fi

#!/usr/bin/env bash
# Builds the plugins in tests/toolchains with the toolchains of JavaScript and Python, runs them in the plugin host, and reads its log.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
tools=$PWD/target/toolchains
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

step "toolchains"
npm install --prefix "$tools" --no-audit --no-fund --loglevel=error @bytecodealliance/jco@1.33.0
[ -x "$tools/python/bin/python" ] || python3 -m venv "$tools/python"
"$tools/python/bin/python" -m pip --quiet --disable-pip-version-check install componentize-py==0.25.1

step "components"
cp -r tests/toolchains/. "$work"
mkdir -p "$work/wit/deps/mantis"
cp wit/*.wit "$work/wit/deps/mantis"
cd "$work"
jco() { "$tools/node_modules/.bin/jco" componentize visits.js --wit wit --world-name visits "$@"; }
componentize_py() { "$tools/python/bin/componentize-py" -d wit -w visits componentize "$@"; }
jco --disable http --disable fetch-event -o js.wasm
jco --disable all -o js-stubbed.wasm
componentize_py visits -o py.wasm
componentize_py --stub-wasi visits -o py-stubbed.wasm

step "in the host"
cd - >/dev/null
MANTISDB_TOOLCHAINS=$work cargo test -p mantis-plugin --test main -- --ignored --nocapture components_of_other_toolchains

#!/usr/bin/env bash
# Checks the Python client (embed/python): types, lints, tests beside a server, and that its wheel and sdist install.
#   scripts/python.sh [PATH_TO_MANTISDB]      after scripts/setup.sh, and cargo xtask guests
# The scenarios of all surfaces are played with it by the Rust tests (tests/integration).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
MANTISDB=$(realpath "${1:-target/debug/mantisdb}")
export MANTISDB
[ -x "$MANTISDB" ] || fail "there is no server at $MANTISDB" "cargo build -p mantisdb"
[ -r guest/target/components/leaderboard.wasm ] || fail "the guest components are missing" "cargo xtask guests"
bin=$PWD/target/python/bin
"$bin/python" -c 'import httpx, hypothesis, mypy, pytest' 2>/dev/null || fail "Python packages are missing" "scripts/setup.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

step "the Python client: ruff, mypy"
cd embed/python
"$bin/ruff" check --no-cache . ../../tests/python
"$bin/ruff" format --no-cache --check . ../../tests/python
"$bin/mypy" --cache-dir "$work/mypy"
# Where it is there: its own package is Node's, which pip alone does not bring.
if have pyright; then pyright --pythonpath "$bin/python"; fi
step "the Python client: tests"
timeout 300 "$bin/python" -m pytest -q -p no:cacheprovider
step "the Python client: wheel and sdist, installed"
# What builds them is in the environment: nothing is downloaded.
"$bin/python" -m build --no-isolation --outdir "$work/dist" . >"$work/build.log" || { cat "$work/build.log"; exit 1; }
for package in "$work"/dist/*.whl "$work"/dist/*.tar.gz; do
    fresh=$work/fresh-${package##*.}
    "$bin/python" -m venv "$fresh"
    # Its dependencies are those of the tests' environment, and only they.
    "$bin/python" - >"$fresh/dependencies.pth" <<'EOF'
import httpx, pathlib
print(pathlib.Path(httpx.__file__).parent.parent)
EOF
    mv "$fresh/dependencies.pth" "$("$fresh/bin/python" -c 'import site; print(site.getsitepackages()[0])')/dependencies.pth"
    "$fresh/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation "$package"
    (
        cd "$work"
        "$fresh/bin/python" - "$fresh" <<'EOF'
import importlib.metadata, pathlib, sys
import mantisdb
package = pathlib.Path(mantisdb.__file__)
assert package.is_relative_to(sys.argv[1]), package
assert (package.parent / "py.typed").exists()
files = {file.name for file in importlib.metadata.files("mantisdb") or []}
assert {"LICENSE-APACHE", "LICENSE-MIT"} <= files, files
assert not any("test" in name for name in files), files
print(f"mantisdb {mantisdb.__version__}: {len(files)} files")
EOF
    )
done

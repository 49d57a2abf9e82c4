#!/usr/bin/env bash
# The program as it is shipped: `scripts/release.sh` writes target/dist/mantisdb, stripped, and beside it its symbols.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

require objcopy "apt-get install binutils"
cargo build --locked --release -p mantisdb
rm -rf target/dist
mkdir -p target/dist
# rustc's own ways (`strip`, `split-debuginfo`) lose the lines: these stay in the program's file, and go with it when it is stripped.
objcopy --only-keep-debug --compress-debug-sections=zlib target/release/mantisdb target/dist/mantisdb.debug
chmod -x target/dist/mantisdb.debug
(cd target/dist && objcopy --strip-all --add-gnu-debuglink=mantisdb.debug ../release/mantisdb mantisdb)
target/dist/mantisdb --version
ls -l target/dist

#!/usr/bin/env bash
# Builds the C library as it is shipped and installs it under a prefix: header, shared and static library, pkg-config and CMake files.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

prefix=${1:?"where to install: scripts/install-c.sh /usr/local"}
abi=$(sed -n 's/^#define MANTIS_ABI_VERSION \([0-9]*\)$/\1/p' host/ffi/include/mantisdb.h)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
profile=${MANTISDB_C_PROFILE:-release}
folder=$profile
[ "$profile" != dev ] || folder=debug

step "libmantisdb_c $version, interface $abi"
MANTISDB_SONAME=libmantisdb_c.so.$abi cargo build -p mantis-ffi --profile "$profile"
built=${CARGO_TARGET_DIR:-target}/$folder

install -d "$prefix/include" "$prefix/lib/pkgconfig" "$prefix/lib/cmake/mantisdb"
prefix=$(realpath "$prefix")
install -m 644 host/ffi/include/mantisdb.h host/ffi/include/mantisdb_rows.h "$prefix/include/"
install -m 755 "$built/libmantisdb_c.so" "$prefix/lib/libmantisdb_c.so.$abi.$version"
ln -sf "libmantisdb_c.so.$abi.$version" "$prefix/lib/libmantisdb_c.so.$abi"
ln -sf "libmantisdb_c.so.$abi" "$prefix/lib/libmantisdb_c.so"
install -m 644 "$built/libmantisdb_c.a" "$prefix/lib/"
for template in mantisdb.pc mantisdb-config.cmake mantisdb-config-version.cmake; do
    sed -e "s|@PREFIX@|$prefix|g" -e "s|@VERSION@|$version|g" -e "s|@ABI@|$abi|g" "host/ffi/packaging/$template.in" >"$built/$template"
done
install -m 644 "$built/mantisdb.pc" "$prefix/lib/pkgconfig/"
install -m 644 "$built/mantisdb-config.cmake" "$built/mantisdb-config-version.cmake" "$prefix/lib/cmake/mantisdb/"
echo "installed under $prefix"

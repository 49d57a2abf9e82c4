#!/usr/bin/env bash
# Builds the C library as it is shipped and installs it under a prefix: headers, shared and static library, pkg-config and CMake files,
# licences.
#   MANTISDB_C_PROFILE: Cargo's profile, release if not given.
#   MANTISDB_C_BUILT: a folder with a libmantisdb_c.a that is built already. Nothing is compiled then, and the shared library is linked from it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

prefix=${1:?"where to install: scripts/install-c.sh /usr/local"}
abi=$(sed -n 's/^#define MANTIS_ABI_VERSION \([0-9]*\)$/\1/p' host/ffi/include/mantisdb.h)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
soname=libmantisdb_c.so.$abi

step "libmantisdb_c $version, interface $abi"
install -d "$prefix/include" "$prefix/lib/pkgconfig" "$prefix/lib/cmake/mantisdb" "$prefix/share/licenses/mantisdb"
prefix=$(realpath "$prefix")
shared=$prefix/lib/$soname.$version
if [ -n "${MANTISDB_C_BUILT:-}" ]; then
    built=$MANTISDB_C_BUILT
    exports=$(mktemp)
    trap 'rm -f "$exports"' EXIT
    { echo '{ global:'; sed 's/$/;/' host/ffi/tests/symbols.txt; echo 'local: *; };'; } >"$exports"
    mapfile -t wanted < <(sed 's/^/-Wl,-u,/' host/ffi/tests/symbols.txt)
    rm -f "$shared"
    "${CC:-cc}" -shared -o "$shared" "-Wl,-soname,$soname" "-Wl,--version-script=$exports" -Wl,--gc-sections "${wanted[@]}" \
        "$built/libmantisdb_c.a" -lgcc_s -lutil -lrt -lpthread -lm -ldl
else
    profile=${MANTISDB_C_PROFILE:-release}
    folder=$profile
    [ "$profile" != dev ] || folder=debug
    MANTISDB_SONAME=$soname cargo build -p mantis-ffi --profile "$profile"
    built=${CARGO_TARGET_DIR:-target}/$folder
    install -m 755 "$built/libmantisdb_c.so" "$shared"
fi

install -m 644 host/ffi/include/mantisdb.h host/ffi/include/mantisdb_rows.h "$prefix/include/"
ln -sf "$soname.$version" "$prefix/lib/$soname"
ln -sf "$soname" "$prefix/lib/libmantisdb_c.so"
install -m 644 "$built/libmantisdb_c.a" "$prefix/lib/"
# fill TEMPLATE FOLDER
fill() {
    sed -e "s|@PREFIX@|$prefix|g" -e "s|@VERSION@|$version|g" -e "s|@ABI@|$abi|g" "host/ffi/packaging/$1.in" >"$2/$1"
    chmod 644 "$2/$1"
}
fill mantisdb.pc "$prefix/lib/pkgconfig"
fill mantisdb-config.cmake "$prefix/lib/cmake/mantisdb"
fill mantisdb-config-version.cmake "$prefix/lib/cmake/mantisdb"
install -m 644 LICENSE-APACHE LICENSE-MIT "$prefix/share/licenses/mantisdb/"
echo "installed under $prefix"

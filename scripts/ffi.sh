#!/usr/bin/env bash
# Tests the C interface: the header in C and C++, the C tests with gcc and clang, under the sanitisers and valgrind, the examples, the
# symbols of the library, and what scripts/install-c.sh installs. The same programs run against a server (MANTISDB_BINARY, or
# target/debug/mantisdb), which one of them kills. A missing tool is named and its tests are left out; in scripts/test.sh that is a failure.
# Arguments: the folder of the built library (target/debug/deps after the tests, target/debug after a build), and rounds of racing misuse
# (40,000 a thread, of which at least 200,000 calls are refused in all).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

lib=$(realpath "${1:-target/debug/deps}")
rounds=${2:-40000}
[ -r "$lib/libmantisdb_c.so" ] || fail "there is no $lib/libmantisdb_c.so" "build it: cargo build -p mantis-ffi"
mantisdb=${MANTISDB_BINARY:-target/debug/mantisdb}
out=$(mktemp -d)
server=''
trap 'stop; rm -rf "$out"' EXIT
ffi=host/ffi
flags=(-std=c11 -Wall -Wextra -Werror -pedantic -pthread -g -O1 -I "$ffi/include")
link=(-L "$lib" -lmantisdb_c "-Wl,-rpath,$lib")
tests=(basic events tables rows racing)

# Runs a test that was built, perhaps under something.
run() {
    local test=$1 times=$2
    shift 2
    case $test in
    basic)
        rm -rf "$out/data"
        mkdir "$out/data"
        "$@" "$out/$test" "$out/data"
        ;;
    racing) "$@" "$out/$test" "$times" | tee -a "$out/racing.txt" ;;
    *) "$@" "$out/$test" ;;
    esac
}

step "the symbols of the library"
nm -D --defined-only "$lib/libmantisdb_c.so" | awk '{ print $NF }' | sort >"$out/symbols"
diff "$ffi/tests/symbols.txt" "$out/symbols" ||
    fail "the library does not export what tests/symbols.txt lists" "a function of the header is missing, or one is there that it does not have"
# Functions for tests are in a library of their own, beside all of these.
if [ -r "$lib/libmantisdb_c_testing.so" ]; then
    nm -D --defined-only "$lib/libmantisdb_c_testing.so" | awk '{ print $NF }' | sort >"$out/symbols-testing"
    grep -v '^mantis_test_' "$out/symbols-testing" | diff "$ffi/tests/symbols.txt" - && grep -q '^mantis_test_' "$out/symbols-testing" ||
        fail "the library for tests does not export the header's functions and its own" "tests/ffi/src/lib.rs has the latter"
    "${CC:-gcc}" -x c -std=c99 -Wall -Wextra -Werror -pedantic -fsyntax-only -I "$ffi/include" tests/ffi/include/mantisdb_testing.h
else
    left_out "no $lib/libmantisdb_c_testing.so: its symbols are not looked at" "cargo test builds it"
fi

for compiler in gcc clang; do
    have "$compiler" || { left_out "$compiler is missing: its tests are left out" "scripts/setup.sh installs it"; continue; }
    step "C tests: $compiler"
    for header in "$ffi"/include/*.h; do
        "$compiler" -x c -std=c99 -Wall -Wextra -Werror -pedantic -fsyntax-only -include "$header" /dev/null
    done
    for test in "${tests[@]}"; do
        "$compiler" "${flags[@]}" "$ffi/tests/c/$test.c" -o "$out/$test" "${link[@]}"
        run "$test" "$rounds"
    done
done

step "C++"
for compiler in g++ clang++; do
    have "$compiler" || { left_out "$compiler is missing: its test is left out" "scripts/setup.sh installs it"; continue; }
    "$compiler" -std=c++11 -Wall -Wextra -Werror -pedantic -I "$ffi/include" "$ffi/tests/c/header.cpp" -o "$out/header" "${link[@]}"
    "$out/header"
done

step "C tests: address and undefined-behaviour sanitisers"
for test in "${tests[@]}"; do
    gcc "${flags[@]}" -fsanitize=address,undefined -fno-sanitize-recover=all "$ffi/tests/c/$test.c" -o "$out/$test" "${link[@]}"
    run "$test" $((rounds / 4))
done

if have valgrind; then
    step "C tests: valgrind"
    for test in "${tests[@]}"; do
        gcc "${flags[@]}" "$ffi/tests/c/$test.c" -o "$out/$test" "${link[@]}"
        # What the library keeps until the process ends is reachable, and no leak.
        MANTIS_NO_FORK=1 run "$test" 200 valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --fair-sched=yes
    done
else
    left_out "valgrind is missing: its runs are left out" "scripts/setup.sh installs it"
fi

if [ -x "$mantisdb" ]; then
    step "C tests against a server"
    serve "$mantisdb" "$out/server.log" --memory
    for test in "${tests[@]}"; do
        gcc "${flags[@]}" -fsanitize=address,undefined -fno-sanitize-recover=all "$ffi/tests/c/$test.c" -o "$out/$test" "${link[@]}"
        MANTIS_TEST_URL=$url run "$test" 100
    done
    stop
    gcc "${flags[@]}" "$ffi/tests/c/remote.c" -o "$out/remote" "${link[@]}"
    "$out/remote" "$mantisdb" "$out"
else
    left_out "no $mantisdb: the tests against a server are left out" "cargo build builds it"
fi

step "racing misuse, all runs"
refused=$(awk '{ sum += $3 } END { print sum }' "$out/racing.txt")
echo "$refused calls refused"
if [ "$rounds" -ge 40000 ] && have clang; then
    [ "$refused" -ge 200000 ] || fail "only $refused misuses were refused" "tests/c/racing.c no longer races as much misuse as it did"
fi

step "examples in C"
for example in "$ffi"/examples/c/*.c; do
    gcc "${flags[@]}" "$example" -o "$out/example" "${link[@]}"
    (cd "$out" && ./example)
done

step "what install-c.sh installs"
prefix=$out/prefix
MANTISDB_C_BUILT=$lib scripts/install-c.sh "$prefix"
abi=$(sed -n 's/^#define MANTIS_ABI_VERSION \([0-9]*\)$/\1/p' "$ffi/include/mantisdb.h")
# dynamic FILE TAG: what the dynamic section of a file has under a tag.
dynamic() { readelf -d "$1" | sed -n "s/.*($2).*\[\(.*\)\]/\1/p"; }
# is WHAT FOUND EXPECTED
is() { [ "$2" = "$3" ] || fail "$1 is '$2', not '$3'" "scripts/install-c.sh and host/ffi/build.rs"; }
is "the SONAME of the installed library" "$(dynamic "$prefix/lib/libmantisdb_c.so" SONAME)" "libmantisdb_c.so.$abi"
# A release build gets its SONAME from build.rs by a variable, and this one has the name that build.rs gives without.
is "the SONAME of a build" "$(dynamic "$lib/libmantisdb_c.so" SONAME)" libmantisdb_c.so
rustc --edition 2024 "$ffi/build.rs" -o "$out/build"
CARGO_CFG_TARGET_OS=linux MANTISDB_SONAME=libmantisdb_c.so.$abi "$out/build" >"$out/build.txt"
grep -qx "cargo::rustc-cdylib-link-arg=-Wl,-soname,libmantisdb_c.so.$abi" "$out/build.txt" ||
    fail "build.rs does not pass the SONAME on" "it says: $(cat "$out/build.txt")"
nm -D --defined-only "$prefix/lib/libmantisdb_c.so" | awk '{ print $NF }' | sort | diff "$ffi/tests/symbols.txt" - ||
    fail "the installed library does not export what tests/symbols.txt lists" "scripts/install-c.sh"
for licence in LICENSE-APACHE LICENSE-MIT; do cmp "$licence" "$prefix/share/licenses/mantisdb/$licence"; done

# try PROGRAM NEEDED: runs a program that was built with the installed files, and looks which shared library it needs.
try() {
    is "the shared library that $1 needs" "$(dynamic "$1" NEEDED | grep mantisdb || true)" "$2"
    rm -rf "$out/place"
    mkdir "$out/place"
    (cd "$out/place" && LD_LIBRARY_PATH=$prefix/lib "$1")
}
if have pkg-config; then
    export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
    is "the version in mantisdb.pc" "$(pkg-config --modversion mantisdb)" "$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)"
    read -ra cflags < <(pkg-config --cflags mantisdb)
    read -ra libs < <(pkg-config --libs mantisdb)
    read -ra static < <(pkg-config --static --libs mantisdb | sed 's/-lmantisdb_c/-l:libmantisdb_c.a/')
    gcc -std=c11 -Wall -Wextra -Werror "$ffi/examples/c/first.c" "${cflags[@]}" "${libs[@]}" -o "$out/by-pkg-config"
    try "$out/by-pkg-config" "libmantisdb_c.so.$abi"
    gcc -std=c11 -Wall -Wextra -Werror "$ffi/examples/c/first.c" "${cflags[@]}" "${static[@]}" -o "$out/by-pkg-config-static"
    try "$out/by-pkg-config-static" ""
else
    left_out "pkg-config is missing: mantisdb.pc is not tested" "scripts/setup.sh installs it"
fi
if have cmake; then
    cmake -S "$ffi/tests/cmake" -B "$out/cmake" -DCMAKE_PREFIX_PATH="$prefix" -DEXAMPLES="$PWD/$ffi/examples/c" >/dev/null
    cmake --build "$out/cmake" >/dev/null
    try "$out/cmake/shared" "libmantisdb_c.so.$abi"
    try "$out/cmake/static" ""
else
    left_out "cmake is missing: the CMake files are not tested" "scripts/setup.sh installs it"
fi

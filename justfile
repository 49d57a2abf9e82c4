# The one list of commands. `just` alone shows it; every recipe is also a plain command or script that works without just.

_default:
    @just --list --unsorted

# Install what building and testing need, or say what is missing
setup:
    scripts/setup.sh

# Build everything: guest components, page, server
build: guest web
    cargo build --release

# Build the program as it is shipped, stripped, and its symbols, into target/dist
release:
    scripts/release.sh

# Run the server (arguments are passed on)
run *arguments:
    cargo run --release -- {{arguments}}

# Run every test
test:
    scripts/test.sh

# Run schemathesis with all its checks against a server (after `just test`, which builds it): `just schemathesis 500 2`
schemathesis examples='80' seed='1':
    scripts/schemathesis.sh target/debug/mantisdb {{examples}} {{seed}}

# Run the packages of PostgREST's and Supabase's users against a server (after `just test`, which builds it)
clients:
    scripts/clients.sh target/debug/mantisdb

# Check the Python client: types, lints, tests beside a server, its packages (after `just test`, which builds the server)
python:
    scripts/python.sh target/debug/mantisdb

# Test the TypeScript client as npm packs it (after `just test`, which builds the server)
typescript:
    scripts/typescript.sh target/debug/mantisdb

# Build plugins with the toolchains of JavaScript and Python, and run them in the plugin host
toolchains:
    scripts/toolchains.sh

# Test the Go package against a server, and in the program where the C library is there (after `just test`, which builds both)
go:
    scripts/go.sh target/debug/mantisdb target/debug

# Run cases of PostgREST's dialect that are in a folder, against a server (after `just test`, which builds it)
conformance folder:
    scripts/conformance.sh {{folder}} target/debug/mantisdb

# Ask random queries of tables and of SQLite, and show no difference: so many, from a seed
differential queries='240000' seed='1':
    MANTIS_DIFFERENTIAL_QUERIES={{queries}} MANTIS_DIFFERENTIAL_SEED={{seed}} cargo test -p mantis-db --test differential

# All that proves durability and isolation, in full: at least 2,000 kills, and the rest twenty times as often as the tests do. It takes hours
torture times='20':
    MANTIS_TORTURE=$((2 * {{times}})) cargo test --workspace --exclude mantis-web --exclude mantis-benches --exclude xtask --test main -- ledger --nocapture
    MANTIS_TORTURE=$((20 * {{times}})) cargo test --workspace --exclude mantis-web --exclude mantis-benches --exclude xtask --test main -- upserts --nocapture
    MANTIS_TORTURE={{times}} cargo test --workspace --exclude mantis-web --exclude mantis-benches --exclude xtask --test main -- durability:: --nocapture
    MANTIS_TORTURE={{times}} cargo test -p mantis-db --test it -- power_cut concurrency --nocapture
    MANTIS_TORTURE={{times}} cargo test --workspace --exclude mantis-web --exclude mantis-benches --exclude xtask --test main -- isolation::histories --nocapture
    MANTIS_TORTURE={{times}} cargo test -p mantis-isolation -- --nocapture
    MANTIS_TORTURE={{times}} cargo test --workspace --exclude mantis-web --exclude mantis-benches --exclude xtask --test integration -- isolation --nocapture
    {{just_executable()}} fuzz 600
    {{just_executable()}} mutants
    cargo build --workspace --exclude mantis-web --exclude mantis-benches --exclude xtask
    MANTISDB_GO_CALLS=$((100000 * {{times}})) MANTISDB_GO_KILLS=$((5 * {{times}})) scripts/go.sh target/debug/mantisdb target/debug
    {{just_executable()}} disk-faults

# Build the engine and its tables as one mutant after the other, and show that the tests catch each: `just mutants`, or `just mutants no-sync`
mutants *names:
    scripts/mutants.sh {{names}}

# Feed what reads bytes from outside with bytes that no program wrote, by code coverage: so many seconds each, all targets or those named
fuzz seconds='60' *targets:
    scripts/fuzz.sh {{seconds}} {{targets}}

# Run the server on a full disk and on a failing one (after `just test`, which builds it; needs root and strace): `just disk-faults target/release/mantisdb`
disk-faults binary='target/debug/mantisdb':
    scripts/disk-faults.sh {{binary}}

# Test the C interface (after `just test`, which builds it): `just ffi target/debug/deps 40000`
ffi folder='target/debug/deps' rounds='40000':
    scripts/ffi.sh {{folder}} {{rounds}}

# Build the C library and install it with its header, pkg-config and CMake files
install-c prefix:
    scripts/install-c.sh {{prefix}}

# Check formatting, lints, documentation and licences
lint:
    scripts/lint.sh

# Pack the crates that others depend on, as a registry would get them, and check what is in them
package:
    scripts/package.sh

# Format all Rust code
fmt:
    cargo fmt --all
    cargo fmt --all --manifest-path guest/Cargo.toml

# Build the guest components into guest/target/components
guest:
    cargo xtask guests

# Build the page's store, its API and the demo into web/dist and web/demo/dist
web: guest
    cargo xtask web

# Measure beside the peers and write benches/RESULTS.md
bench *arguments:
    scripts/bench.sh {{arguments}}

# Build and open the API documentation
docs:
    cargo doc --workspace --no-deps --open

# Check known advisories (needs the advisory database's host)
audit:
    cargo deny check advisories

# What continuous integration runs
ci:
    .ci/run

# Write the manual pages of all commands into target/man
man:
    cargo run --release -- man --all target/man

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

# left_out WHAT HINT: says that something is left out. Where everything is to run (scripts/test.sh), that is a failure.
left_out() {
    [ -z "${NOTHING_LEFT_OUT:-}" ] || fail "$1, and nothing is to be left out" "$2"
    printf '%s (%s)\n' "$1" "$2"
}

# The cargo-deny on the PATH if it is there, else the one that setup.sh installs.
cargo_deny() { if have cargo-deny; then cargo-deny "$@"; else target/tools/bin/cargo-deny "$@"; fi; }

# serve MANTISDB LOG [OPTION...]: starts a server on a free port; `server` is its process then, and `url` its address.
serve() {
    local mantisdb=$1 log=$2
    # Emptied before the server is there to do it: the last one's address is in it.
    : >"$log"
    "$mantisdb" serve --listen 127.0.0.1:0 "${@:3}" >>"$log" 2>&1 &
    server=$! url=''
    for _ in $(seq 100); do
        url=$(grep -o 'http://127.0.0.1:[0-9]*' "$log" | head -n 1 || true)
        [ -n "$url" ] && return 0
        sleep 0.1
    done
    fail "the server did not start" "its log: $(cat "$log")"
}

# stop: ends the server that `serve` started, if there is one.
stop() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    [ -z "$server" ] || wait "$server" 2>/dev/null || true
    server=''
}

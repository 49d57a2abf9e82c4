#!/usr/bin/env bash
# A stripped program's backtraces, read with its symbols: `scripts/symbolise.sh mantisdb.debug < log`.
#
# It takes what a process prints with RUST_BACKTRACE=full: frames of the form `0x... - <unknown>`, and after them the note that says
# at which address the program was loaded.
set -euo pipefail
[[ $# -eq 1 ]] || { sed -n '2s/^# //p' "$0" >&2; exit 2; }

frames=()
while IFS= read -r line; do
    printf '%s\n' "$line"
    if [[ $line =~ (0x[0-9a-f]+)\ -\ \<unknown\> ]]; then
        frames+=("${BASH_REMATCH[1]}")
    elif [[ $line =~ is\ loaded\ at\ (0x[0-9a-f]+) ]]; then
        for frame in "${frames[@]}"; do
            # A frame's address is where its call returns to: the call is before it.
            ((frame > BASH_REMATCH[1])) && printf '0x%x\n' $((frame - BASH_REMATCH[1] - 1))
        done | addr2line -Cfipe "$1"
        frames=()
    fi
done

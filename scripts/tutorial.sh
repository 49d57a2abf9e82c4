#!/usr/bin/env bash
# Runs the commands of docs/tutorial.md and compares what they print. In a block marked `console`, lines that begin with "$ " are
# commands, lines with "> " continue one, and the others are output, in which "..." is any text. The server gets a free port.
#   scripts/tutorial.sh PATH_TO_MANTISDB      after cargo xtask guests
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
mantisdb=$(realpath "${1:?the path of the mantisdb binary}")
root=$PWD
work=$(mktemp -d)
server='' url=http://127.0.0.1:8080
trap 'stop; rm -rf "$work"' EXIT
[ -f guest/target/components/leaderboard.wasm ] || fail "the example plugins are missing" "cargo xtask guests"

mkdir -p "$work/guest/target" "$work/bin"
ln -s "$root/guest/target/components" "$work/guest/target/components"
ln -s "$mantisdb" "$work/bin/mantisdb"
export PATH=$work/bin:$PATH
# No progress bars: what curl prints is compared.
printf 'silent\nshow-error\n' >"$work/.curlrc"
export CURL_HOME=$work
cd "$work"

# run COMMAND: runs it and leaves its output in `printed`. Variables stay set, and the server starts and stops as in other scripts.
run() {
    case $1 in
        'mantisdb serve '*' &')
            local options=${1#mantisdb serve }
            # shellcheck disable=SC2086 # words, as the shell of a reader splits them
            serve "$mantisdb" "$work/log" ${options% &}
            # The line with the address is not the last one.
            for _ in $(seq 100); do
                grep -q '^limits' "$work/log" && break
                sleep 0.1
            done
            # Plugins of a folder are installed while the server answers.
            curl --retry 100 --retry-delay 1 --fail "$url/ready" >/dev/null || fail "the server is not ready" "$(cat "$work/log")"
            export MANTISDB_URL=$url
            printed=$(cat "$work/log")
            ;;
        'kill %mantisdb')
            stop
            printed=''
            ;;
        [a-z]*=localhost:*)
            variables+=$1$'\n'
            printed=''
            ;;
        *)
            local text=$variables$1
            printed=$(bash -c "set -e; ${text//localhost:8080/${url#http://}}" 2>&1) || fail "failed: $1" "$printed"
            ;;
    esac
}

# matches EXPECTED PRINTED: whether they are the same, where "..." in the first is any text.
matches() {
    local expected=$1 printed=$2 part is_first=yes
    while [[ $expected == *...* ]]; do
        part=${expected%%...*}
        if [ -n "$is_first" ]; then
            [[ $printed == "$part"* ]] || return 1
            printed=${printed#"$part"}
        else
            [[ $printed == *"$part"* ]] || return 1
            printed=${printed#*"$part"}
        fi
        expected=${expected#*...} is_first=''
    done
    if [ -n "$is_first" ]; then [[ $printed == "$expected" ]]; else [[ $printed == *"$expected" ]]; fi
}

passed=0 variables='' command='' expected='' in_block=''
finish_command() {
    [ -n "$command" ] || return 0
    run "$command"
    expected=${expected//http:\/\/127.0.0.1:8080/$url}
    matches "$expected" "$printed" || fail "after \`$command\`, expected '$expected'" "got '$printed'"
    passed=$((passed + 1))
    command='' expected=''
}
while IFS= read -r line; do
    case $in_block$line in
        '```console') in_block=yes ;;
        'yes```')
            finish_command
            in_block=''
            ;;
        'yes$ '*)
            finish_command
            command=${line#\$ }
            ;;
        'yes> '*) command+=$'\n'${line#> } ;;
        yes*) expected+=${expected:+$'\n'}$line ;;
    esac
done <"$root/docs/tutorial.md"
[ "$passed" -ge 20 ] || fail "only $passed commands were found in docs/tutorial.md" "look at its console blocks"
echo "$passed passed, 0 failed"

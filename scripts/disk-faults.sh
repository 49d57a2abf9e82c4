#!/usr/bin/env bash
# Runs the server on a full disk and on one whose calls fail, and looks that it says so and loses nothing that it answered.
#   scripts/disk-faults.sh PATH_TO_MANTISDB
# Needs root for a file system of 1 MiB (tmpfs), and strace for calls that fail; does without what it may not have, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
mantisdb=$(realpath "${1:?the path of the mantisdb binary}")
work=$(mktemp -d)
server='' tracer='' url='' passed=0
stop() {
    [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true
    [ -z "${tracer:-$server}" ] || wait "${tracer:-$server}" 2>/dev/null || true
    server='' tracer=''
}
clean() {
    stop
    ! mountpoint -q "$work/small" || umount "$work/small"
    rm -rf "$work"
}
trap clean EXIT

# check NAME EXPECTED ACTUAL
check() {
    if [ "$2" = "$3" ]; then passed=$((passed + 1)); else fail "$1: expected '$2', got '$3'" "the server's log: $(tail -n 20 "$work/log")"; fi
}

# start DIRECTORY [COMMAND...]: the server on the directory, run by the command if there is one
start() {
    local data=$1
    shift
    "$@" "$mantisdb" serve --data "$data" --durability always --listen 127.0.0.1:0 >"$work/log" 2>&1 &
    server=$!
    url=''
    for _ in $(seq 100); do
        url=$(grep -o 'http://127.0.0.1:[0-9]*' "$work/log" | head -n 1 || true)
        [ -n "$url" ] && break
        sleep 0.1
    done
    [ -n "$url" ] || fail "the server did not start" "its log: $(cat "$work/log")"
    if [ $# -gt 0 ]; then
        tracer=$server
        server=$(cat "/proc/$tracer/task/$tracer/children")
        server=${server%% *}
    fi
}

# put KEY: writes a value of 4 KB that begins with the key; the status and the error's code
put() {
    : >"$work/answer"
    { printf '%s' "$1" && head -c 4000 /dev/zero | tr '\0' x; } |
        curl -sS -o "$work/answer" -w '%{http_code}' -X PUT "$url/api/v1/kv/$1" -H 'Content-Type: text/plain' --data-binary @-
    grep -o '"code":"[^"]*"' "$work/answer" | sed 's/"code":"\(.*\)"/ \1/' || true
}

# write FROM: writes keys from the number on until one is refused; sets `answered` to the last that was not, and `refusal`
write() {
    local number
    for number in $(seq "$1" 400); do
        refusal=$(put "key$number")
        [ "$refusal" = 201 ] || return 0
        answered=$number
    done
    fail "400 writes were answered" "the disk should have failed before"
}

# write_some NAME: three writes that have to be answered
write_some() {
    local number
    for number in 1 2 3; do
        check "write $number $1" 201 "$(put "key$((answered + 1))")"
        answered=$((answered + 1))
    done
}

# read_back NAME: everything that was answered is there, and is what was written
read_back() {
    local number lost=''
    for number in $(seq "$answered"); do
        curl -sS "$url/api/v1/kv/key$number" | head -c $((3 + ${#number})) 2>/dev/null | grep -qx "key$number" || lost="$lost $number"
    done
    check "$1" '' "$lost"
}

health() { curl -sS "$url/health" | sed 's/.*"status":"\([a-z]*\)".*/\1/'; }

# check_log NAME TEXT: the server's log says so, once
check_log() {
    local tries=0
    until grep -q "$2" "$work/log" || [ $((tries += 1)) -gt 50 ]; do sleep 0.1; done
    check "the log on $1" 1 "$(grep -c "$2" "$work/log" || true)"
}

# check_reason NAME CODE: the reason that /health gives begins with the code and is none of the operating system's
check_reason() {
    check "$1" "$2" "$(curl -sS "$url/health" | sed 's/.*"reason":"\([a-z-]*\): .*/\1/')"
    ! curl -sS "$url/health" | grep -q 'os error' || fail "$1 tells what the operating system said"
}

wait_until_healthy() {
    local tries=0
    until [ "$(health)" = healthy ] || [ $((tries += 1)) -gt 100 ]; do sleep 0.1; done
    check "health when there is room, $1" healthy "$(health)"
}

full_disk() {
    mkdir "$work/small"
    if ! mount -t tmpfs -o size=1m none "$work/small" 2>/dev/null; then
        echo "skipped: a full disk (no file system may be mounted here; run it as root)"
        return
    fi
    head -c 500000 /dev/zero >"$work/small/filler"
    start "$work/small/data"
    write 1
    check 'a write to a full disk' '507 disk-full' "$refusal"
    check 'another one' '507 disk-full' "$(put "key$((answered + 1))")"
    check_reason 'the reason on a full disk' disk-full
    check_log 'a full disk' 'the disk is full.*os error 28'
    read_back 'reads on a full disk'
    rm "$work/small/filler"
    # Nobody writes, and it is found out.
    wait_until_healthy 'before a write'
    check_log 'room again' 'the disk has room again'
    local before=$answered
    write $((answered + 1))
    [ "$answered" -gt $((before + 50)) ] || fail "only $((answered - before)) writes with half of the disk free" "its log: $(cat "$work/log")"
    check 'a write to the disk when it is full again' '507 disk-full' "$refusal"
    stop
    start "$work/small/data"
    read_back 'what was answered, after a restart'
    stop
    umount "$work/small"
    echo "full disk: $before writes, $((answered - before)) more when there was room"
}

# failing_call INJECTION REFUSAL HEALTH: answers while calls fail as strace is told, and the health that follows in the end
failing_call() {
    local data="$work/data-$passed"
    start "$data" strace -f -qq -o "$work/trace" -e trace=fdatasync,pwrite64 -e "inject=$1"
    write 1
    local before=$answered
    check "$1" "$2" "$refusal"
    read_back "reads after $1"
    if [ "$3" = healthy ]; then
        check_log "$1" 'the disk is full.*os error 28'
        # There is room again, sooner or later.
        local tries=0
        until [ "$(put "key$((answered + 1))")" = 201 ] || [ $((tries += 1)) -gt 10 ]; do :; done
        answered=$((answered + 1))
        write_some "after $1"
        check "health after $1" healthy "$(health)"
    else
        check "health after $1" unhealthy "$(health)"
        check_reason "the reason after $1" storage-failed
        check_log "$1" 'the disk failed.*os error 5'
        check "a write after $1" "$2" "$(put again)"
    fi
    grep -q INJECTED "$work/trace" || fail "strace injected nothing" "$(tail -n 3 "$work/trace")"
    stop
    start "$data"
    check "health without $1" healthy "$(health)"
    read_back "what was answered before $1"
    stop
    echo "$1: $refusal after $before writes"
}

full_disk
if ! have strace; then
    echo "skipped: calls that fail (strace is missing: apt-get install strace)"
elif ! strace -f -qq -o /dev/null true 2>/dev/null; then
    echo "skipped: calls that fail (strace may not trace here)"
else
    # The log's thread makes a few such calls before the first write.
    failing_call fdatasync:error=EIO:when=12 '503 storage-failed' unhealthy
    failing_call pwrite64:error=EIO:when=12 '503 storage-failed' unhealthy
    failing_call pwrite64:error=ENOSPC:when=12..14 '507 disk-full' healthy
fi
echo "$passed checks passed"

#!/usr/bin/env bash
# Runs the server on a full disk and on one whose calls fail, and looks that it says so and loses nothing that it answered.
#   scripts/disk-faults.sh PATH_TO_MANTISDB
# Needs root for a file system of 1 MiB (tmpfs), and strace for calls that fail; does without what it may not have, and says so in its
# last line.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
mantisdb=$(realpath "${1:?the path of the mantisdb binary}")
work=$(mktemp -d)
server='' tracer='' url='' passed=0
# Kills: what was answered has to survive that.
stop() {
    [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true
    [ -z "$server" ] || wait "$server" 2>/dev/null || true
    [ -z "$tracer" ] || wait "$tracer" 2>/dev/null || true
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

# start DIRECTORY [OPTION...]: the server on the directory, with these options, or under `always`
start() {
    local data=$1 options=("${@:2}")
    [ $# -gt 1 ] || options=(--durability always)
    serve "$mantisdb" "$work/log" --data "$data" "${options[@]}"
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

# read_back NAME: every acknowledged write is there, with its value
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
    check_log 'room again' 'the disk has space again'
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

# trace INJECTION...: makes calls of the running server fail as given to strace, from now on
trace() {
    local injection options=() task
    for injection in "$@"; do options+=(-e "inject=$injection"); done
    strace -f -qq -o "$work/trace" -e trace=fdatasync,fsync,pwrite64,openat,rename,renameat,renameat2,ftruncate \
        "${options[@]}" -p "$server" 2>"$work/strace" &
    tracer=$!
    for task in $(seq 200); do
        grep -L '^TracerPid:[[:space:]]*[1-9]' "/proc/$server/task/"*/status | grep -q . || return 0
        sleep 0.05
    done
    fail "strace does not come to the server's threads" "$(cat "$work/strace")"
}

# with_failing NAME DURABILITY INJECTION...: starts a server with small segments and checkpoints, writes a little, and injects
with_failing() {
    name="$1, under $2" data="$work/data-$passed" answered=0
    start "$data" --durability "$2" --checkpoint-bytes "$checkpoint_bytes"
    write_some "before $name"
    [ -z "${prepare-}" ] || $prepare
    trace "${@:3}"
}

# stop_failing: leaves the server alone again. strace counts the calls of each thread by themselves, so that after a first failure others
# may be due.
stop_failing() {
    kill "$tracer"
    wait "$tracer" 2>/dev/null || true
    tracer=''
}

was_injected() { grep -q INJECTED "$work/trace" || fail "strace injected nothing for $name" "$(tail -n 3 "$work/trace")"; }

# restart_whole: without failing calls the server is well, and has what it answered
restart_whole() {
    was_injected
    stop
    start "$data"
    check "health without $name" healthy "$(health)"
    read_back "what was answered before $name"
    # Whether a write happened that was answered 503 is open. One that was answered 507 did not, so that its key is new.
    if [[ $1 == 503* ]]; then
        put "key$((answered + 1))" >/dev/null
        answered=$((answered + 1))
    fi
    write_some "after a restart, $name"
    stop
    echo "$name: $1"
}

# refused NAME DURABILITY REFUSAL HEALTH INJECTION...: a write is refused; where the server stays healthy, writes work again
refused() {
    with_failing "$1" "$2" "${@:5}"
    write $((answered + 1))
    local before=$answered
    check "$name" "$3" "$refusal"
    check_log "$name" "the disk $([ "$4" = healthy ] && echo 'is full' || echo failed).*os error"
    read_back "reads after $name"
    [[ $name == *"for good"* ]] || stop_failing
    if [ "$4" = healthy ]; then
        # There is room again, sooner or later.
        write_some "after $name"
    else
        check_reason "the reason after $name" storage-failed
        check "a write after $name" "$3" "$(put again)"
    fi
    check "health after $name" "$4" "$(health)"
    restart_whole "$3 after $before writes"
}

# batch OPERATIONS: sends operations on the bucket `span`, each of which is independent; prints the answer to the first
batch() {
    printf '{"operations":[%s]}' "$1" | curl -sS -X POST "$url/api/v1/buckets/span/kv" -H 'Content-Type: application/json' --data-binary @- |
        grep -oE '"success":[a-z]+|"code":"[^"]*"' | head -n 2 | paste -sd ' '
}

# fill_span: writes as many keys as one commit deletes
fill_span() {
    local operations
    operations=$(seq 1000 | sed 's/.*/{"op":"set","key":"&","value":"1"}/' | paste -sd ,)
    check "1,000 keys before $name" '"success":true "success":true' "$(batch "$operations")"
}

span_keys() { curl -sS "$url/api/v1/buckets" | grep -oE '"name":"span","keys":[0-9]+'; }

# refused_for_good NAME DURABILITY REFUSAL INJECTION...: every write is refused and reads continue, until the calls work again
refused_for_good() {
    local prepare=fill_span
    with_failing "$1" "$2" "${@:4}"
    check "deleting 1,000 keys with $name" "\"success\":false \"code\":\"${3#* }\"" "$(batch '{"op":"delete-span"}')"
    check "the keys with $name" '"name":"span","keys":1000' "$(span_keys)"
    write $((answered + 1))
    local before=$answered number
    for number in 1 2 3; do check "write $number with $name" "$3" "$(put "key$((answered + 1))")"; done
    read_back "reads with $name"
    restart_whole "$3 after $before writes"
}

# unharmed NAME DURABILITY SEGMENTS CHECKPOINTS INJECTION...: a hundred writes are answered although segments or checkpoints cannot be
# begun; `some` of them, or `none`, have come into being meanwhile
unharmed() {
    with_failing "$1" "$2" "${@:5}"
    local number status='' before
    before=$(newest_segment)
    for number in $(seq 100); do
        status=$(put "key$((answered + 1))")
        [ "$status" = 201 ] || break
        answered=$((answered + 1))
    done
    check "writes with $name" 201 "$status"
    check "health with $name" healthy "$(health)"
    check "segments with $name" "$3" "$([ "$before" = "$(newest_segment)" ] && echo none || echo some)"
    check "checkpoints with $name" "$4" "$(amount "$data"/checkpoint-*.mantis)"
    read_back "reads with $name"
    restart_whole "$answered writes"
    check "unfinished files after a restart, $name" none "$(amount "$data"/*.unfinished)"
}

newest_segment() { find "$data" -name 'log-*' | sort | tail -n 1; }

# amount FILE...: whether there are any
amount() { if [ -e "$1" ]; then echo some; else echo none; fi; }

failing_calls() {
    local durability
    checkpoint_bytes=268435456
    refused 'a sync fails once' always '503 storage-failed' unhealthy fdatasync:error=EIO:when=3
    refused 'a sync fails once' interval:20 '503 storage-failed' unhealthy fdatasync:error=EIO:when=1
    for durability in always interval:20; do
        refused 'a write fails once' $durability '503 storage-failed' unhealthy pwrite64:error=EIO:when=3
        refused 'writes fail for good' $durability '503 storage-failed' unhealthy pwrite64:error=EIO:when=1+
        refused 'the disk is full once' $durability '507 disk-full' healthy pwrite64:error=ENOSPC:when=3
        refused_for_good 'the disk is full for good' $durability '507 disk-full' pwrite64:error=ENOSPC:when=1+
        # What is not whole in the log cannot be cut off it.
        refused 'a full disk and no cut' $durability '503 storage-failed' unhealthy pwrite64:error=ENOSPC:when=3 ftruncate:error=EIO
    done
    checkpoint_bytes=40000
    for durability in always interval:20; do
        unharmed 'no file can be opened once' $durability some some openat:error=EIO:when=1
        unharmed 'no file can be opened for good' $durability none none openat:error=ENOSPC:when=1+
        unharmed 'a directory is not synced once' $durability some some fsync:error=EIO:when=1
        # A checkpoint has its name by then, and does not count.
        unharmed 'no directory is synced for good' $durability none some fsync:error=EIO:when=1+
        unharmed 'a checkpoint is not renamed once' $durability some some {rename,renameat,renameat2}:error=EIO:when=1
        unharmed 'checkpoints are not renamed for good' $durability some none {rename,renameat,renameat2}:error=ENOSPC:when=1+
    done
}

skipped=''
checks_before=$passed
full_disk
[ "$passed" -gt "$checks_before" ] || skipped='the full disk'
if ! have strace; then
    echo "skipped: calls that fail (strace is missing: apt-get install strace)"
    skipped="${skipped:+$skipped and }the calls that fail"
elif ! strace -f -qq -o /dev/null true 2>/dev/null; then
    echo "skipped: calls that fail (strace may not trace here)"
    skipped="${skipped:+$skipped and }the calls that fail"
else
    failing_calls
fi
echo "$passed checks passed${skipped:+; SKIPPED: $skipped}"

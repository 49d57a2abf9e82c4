//go:build cgo && !mantisdb_remote

package pool

/*
#cgo LDFLAGS: -lmantisdb_c
#include "local.h"
*/
import "C"

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// local is a database of this process, behind the library's pool.
type local struct {
	pool    C.mantis_pool
	queue   C.mantis_queue
	timeout time.Duration
	most    int
	// Those who are acquiring or releasing within the library hold one of the gates: however many goroutines do so, they
	// take few threads.
	gates    [gateMost]sync.Mutex
	nextGate atomic.Uint32
	acquired atomic.Uint64
	settling settling

	lock     sync.Mutex
	free     []*localSession
	waits    map[uint64]chan C.mantis_event
	lastWait uint64
	// The number of sessions that are out, and of calls of the pool itself that are under way.
	out      int
	isClosed bool
	isEnded  bool
	counts   PoolStats
	waited   time.Duration
}

const gateMost = 4

// gated calls work as one of few.
func (local *local) gated(work func() C.mantis_status) C.mantis_status {
	gate := &local.gates[local.nextGate.Add(1)%gateMost]
	gate.Lock()
	status := work()
	gate.Unlock()
	return status
}

// Commits of a feed are looked for so often at least, beside the library's word.
const feedPause = 200 * time.Millisecond

func openLocal(config *PoolConfig) (transport, error) {
	if C.mantis_abi_version() != C.MANTIS_ABI_VERSION {
		return nil, newError("abi-mismatch", "The library mantisdb has another interface than its header.")
	}
	location := config.Location
	if location == "" {
		location = ":memory:"
	}
	scratch := C.scratch_new()
	if scratch == nil {
		return nil, newError("out-of-memory", "There is no memory for a call.")
	}
	defer C.free(unsafe.Pointer(scratch))
	var settings C.mantis_pool_config
	C.mantis_pool_config_init(&settings, C.size_t(unsafe.Sizeof(settings)))
	settings.min_connections = C.uint32_t(config.MinConnections)
	settings.max_connections = C.uint32_t(config.MaxConnections)
	settings.connection_timeout_ms = C.uint64_t(atLeast1(config.ConnectionTimeout.Milliseconds()))
	settings.max_idle_ms = C.uint64_t(atLeast1(config.MaxIdleTime.Milliseconds()))
	settings.max_waiters = 1 << 20
	opened := &local{
		timeout: config.ConnectionTimeout, most: config.MaxConnections,
		waits: map[uint64]chan C.mantis_event{},
	}
	bytes, length := textOf(location)
	if status := C.mantis_pool_new(bytes, length, &settings, &opened.pool, &scratch.error); status != C.MANTIS_OK {
		return nil, failed(status, scratch)
	}
	if status := C.mantis_queue_new(&opened.queue, &scratch.error); status != C.MANTIS_OK {
		err := failed(status, scratch)
		C.mantis_pool_destroy(opened.pool, nil)
		return nil, err
	}
	go opened.dispatch()
	return opened, nil
}

func atLeast1(ms int64) int64 {
	if ms < 1 {
		return 1
	}
	return ms
}

// dispatch hands the library's events to those who wait for them. It is the one thread of all waits.
func (local *local) dispatch() {
	const capacity = 64
	events := (*[capacity]C.mantis_event)(C.calloc(capacity, C.size_t(unsafe.Sizeof(C.mantis_event{}))))
	defer C.free(unsafe.Pointer(events))
	for {
		var count C.size_t
		status := C.mantis_next_events(local.queue, &events[0], C.size_t(unsafe.Sizeof(events[0])), capacity, -1, &count, nil)
		if status < 0 {
			return
		}
		local.lock.Lock()
		settled := -1
		for index, event := range events[:count] {
			id := uint64(event.user_data)
			if wait, is := local.waits[id]; is {
				delete(local.waits, id)
				wait <- event
			} else if id == settlingEvent {
				settled = index
			}
		}
		local.lock.Unlock()
		if settled >= 0 {
			local.settling.answered(local, &events[settled])
		}
	}
}

// await starts something, and waits for its event without a thread. If the context ends it cancels, and returns the event all
// the same: each start has exactly one.
func (local *local) await(
	ctx context.Context, start func(id C.uint64_t, ticket *C.mantis_token) C.mantis_status,
) (C.mantis_event, C.mantis_status, error) {
	wait := make(chan C.mantis_event, 1)
	local.lock.Lock()
	local.lastWait++
	id := local.lastWait
	local.waits[id] = wait
	local.lock.Unlock()
	var ticket C.mantis_token
	if status := start(C.uint64_t(id), &ticket); status < 0 {
		local.lock.Lock()
		delete(local.waits, id)
		local.lock.Unlock()
		return C.mantis_event{}, status, nil
	}
	select {
	case event := <-wait:
		return event, event.status, nil
	case <-ctx.Done():
		C.mantis_token_cancel(ticket, nil)
		event := <-wait
		return event, event.status, ctx.Err()
	}
}

func (local *local) acquire(ctx context.Context) (session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	local.lock.Lock()
	if local.isClosed {
		local.lock.Unlock()
		return nil, ErrPoolClosed
	}
	var session *localSession
	if last := len(local.free) - 1; last >= 0 {
		session, local.free = local.free[last], local.free[:last]
	}
	local.out++
	local.lock.Unlock()
	if session == nil {
		session = &localSession{local: local, scratch: C.scratch_new()}
		if session.scratch == nil {
			local.left(nil)
			return nil, newError("out-of-memory", "There is no memory for a connection.")
		}
	}
	if err := local.acquireInto(ctx, session); err != nil {
		local.left(session)
		return nil, err
	}
	return session, nil
}

// acquireInto gets a connection at once, or waits for it behind those who came before.
func (local *local) acquireInto(ctx context.Context, session *localSession) error {
	scratch := session.scratch
	status := local.gated(func() C.mantis_status {
		return C.mantis_pool_acquire(local.pool, 0, C.mantis_token{}, &session.conn, &scratch.error)
	})
	if status == C.MANTIS_OK {
		local.acquired.Add(1)
		return nil
	}
	if status != C.MANTIS_E_TIMEOUT && status != C.MANTIS_PENDING {
		return failed(status, scratch)
	}
	since := time.Now()
	local.count(func(counts *PoolStats) { counts.WaitCount++; counts.WaitingRequests++ })
	event, status, ended := local.await(ctx, func(id C.uint64_t, ticket *C.mantis_token) C.mantis_status {
		ms := C.int64_t(atLeast1(local.timeout.Milliseconds()))
		return local.gated(func() C.mantis_status {
			return C.mantis_pool_acquire_start(local.pool, ms, local.queue, id, ticket, &scratch.error)
		})
	})
	waited := time.Since(since)
	local.count(func(counts *PoolStats) {
		counts.WaitingRequests--
		switch {
		case status == C.MANTIS_OK && ended == nil:
			local.acquired.Add(1)
			local.waited += waited
			if ms := uint64(waited.Milliseconds()); ms > counts.MaxWaitTimeMs {
				counts.MaxWaitTimeMs = ms
			}
			counts.WaitsGranted++
		case status == C.MANTIS_E_TIMEOUT:
			counts.WaitTimeouts++
		default:
			counts.WaitsGivenUp++
		}
	})
	switch {
	case ended != nil:
		if status == C.MANTIS_OK {
			C.mantis_conn_release(event.conn, nil)
		}
		return ended
	case status == C.MANTIS_OK:
		session.conn = event.conn
		return nil
	case event.kind != 0:
		return failedWith(status, C.GoString(&event.code[0]))
	}
	return failed(status, scratch)
}

func (local *local) count(change func(*PoolStats)) {
	local.lock.Lock()
	change(&local.counts)
	local.lock.Unlock()
}

// left takes a session back, and ends the pool after the last one if it is closed.
func (local *local) left(session *localSession) error {
	local.lock.Lock()
	local.out--
	if session != nil {
		local.free = append(local.free, session)
	}
	ends := local.isClosed && local.out == 0 && !local.isEnded
	local.isEnded = local.isEnded || ends
	local.lock.Unlock()
	if ends {
		return local.end()
	}
	return nil
}

func (local *local) end() error {
	C.mantis_queue_destroy(local.queue, nil)
	scratch := C.scratch_new()
	if scratch == nil {
		return newError("out-of-memory", "There is no memory for a call.")
	}
	defer C.free(unsafe.Pointer(scratch))
	status := C.mantis_pool_destroy(local.pool, &scratch.error)
	for _, session := range local.free {
		C.free(unsafe.Pointer(session.scratch))
	}
	local.free = nil
	if status != C.MANTIS_OK {
		return failed(status, scratch)
	}
	return nil
}

func (local *local) close() error {
	local.lock.Lock()
	local.isClosed = true
	local.out++
	local.lock.Unlock()
	// Waiters wake, and give their sessions back.
	C.mantis_pool_close(local.pool, 0, nil)
	return local.left(nil)
}

// within calls work while the pool cannot be ended.
func (local *local) within(work func() error) error {
	local.lock.Lock()
	if local.isEnded {
		local.lock.Unlock()
		return ErrPoolClosed
	}
	local.out++
	local.lock.Unlock()
	err := work()
	_ = local.left(nil)
	return err
}

func (local *local) stats() (PoolStats, error) {
	var stats C.mantis_stats
	stats.size = C.uint32_t(unsafe.Sizeof(stats))
	err := local.within(func() error {
		return local.told(func(told *C.mantis_error) C.mantis_status {
			return C.mantis_pool_stats(local.pool, &stats, told)
		})
	})
	local.lock.Lock()
	defer local.lock.Unlock()
	out := local.counts
	out.AcquireCount = local.acquired.Load()
	out.MaxConnections = local.most
	out.WaitTimeMs = uint64(local.waited.Milliseconds())
	if out.WaitsGranted > 0 {
		out.AvgWaitTimeMs = out.WaitTimeMs / out.WaitsGranted
	}
	if err == ErrPoolClosed {
		return out, nil
	}
	out.TotalConnections, out.ActiveConnections = int(stats.total), int(stats.active)
	out.IdleConnections, out.CreatingConnections = int(stats.idle), int(stats.creating)
	out.ConnectionsCreated, out.ConnectionsClosed = uint64(stats.created), uint64(stats.closed)
	return out, err
}

func (local *local) ping(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return local.within(func() error { return nil })
}

// backup writes through a file, which is what the library makes. The context is asked before each step and each part.
func (local *local) backup(ctx context.Context, to io.Writer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	directory, err := os.MkdirTemp("", "mantisdb-backup")
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	path := filepath.Join(directory, "backup")
	err = local.within(func() error {
		return local.told(func(told *C.mantis_error) C.mantis_status {
			bytes, length := textOf(path)
			return C.mantis_pool_backup(local.pool, bytes, length, nil, told)
		})
	})
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(to, &untilEnded{ctx: ctx, from: file})
	return err
}

// untilEnded reads until the context ends.
type untilEnded struct {
	ctx  context.Context
	from io.Reader
}

func (reading *untilEnded) Read(into []byte) (int, error) {
	if err := reading.ctx.Err(); err != nil {
		return 0, err
	}
	return reading.from.Read(into)
}

// told calls work, which belongs to no session, with an error of its own for what the library says.
func (local *local) told(work func(told *C.mantis_error) C.mantis_status) error {
	var told C.mantis_error
	told.size = C.uint32_t(unsafe.Sizeof(told))
	if status := work(&told); status != C.MANTIS_OK {
		return failedAs(status, &told)
	}
	return nil
}

// textOf is a text's bytes for the time of a call. An empty one is not given.
func textOf(text string) (*C.char, C.size_t) {
	if text == "" {
		return nil, 0
	}
	return (*C.char)(unsafe.Pointer(*(*unsafe.Pointer)(unsafe.Pointer(&text)))), C.size_t(len(text))
}

// bytesOf is a text's bytes likewise, as bytes that are given.
func bytesOf(text string) (unsafe.Pointer, C.size_t) {
	bytes, length := textOf(text)
	if bytes == nil {
		return unsafe.Pointer(&empty), 0
	}
	return unsafe.Pointer(bytes), length
}

// given is bytes for the time of a call.
func given(data []byte) (unsafe.Pointer, C.size_t) {
	if len(data) == 0 {
		return unsafe.Pointer(&empty), 0
	}
	return unsafe.Pointer(&data[0]), C.size_t(len(data))
}

var empty byte

// bucketOfName is a bucket's name. The default one is not given.
func bucketOfName(name string) (*C.char, C.size_t) {
	if name == DefaultBucket {
		return nil, 0
	}
	bytes, length := bytesOf(name)
	return (*C.char)(bytes), length
}

// copied is memory of the library's as Go's.
func copied(data *C.uint8_t, length C.uint64_t) []byte {
	if data == nil || length == 0 {
		return []byte{}
	}
	out := make([]byte, int(length))
	copy(out, unsafe.Slice((*byte)(unsafe.Pointer(data)), int(length)))
	return out
}

// failed reads the error that a call has written.
func failed(status C.mantis_status, scratch *C.scratch) error {
	return failedAs(status, &scratch.error)
}

func failedAs(status C.mantis_status, from *C.mantis_error) error {
	err := failedWith(status, C.GoString(&from.code[0]))
	ours, is := err.(*Error)
	if !is || ours == ErrPoolClosed || ours == ErrConnectionTimeout || ours == ErrConnectionBusy {
		return err
	}
	if message := C.GoString(&from.message[0]); message != "" {
		ours.Message = message
	}
	ours.Details, ours.Hint = C.GoString(&from.details[0]), C.GoString(&from.hint[0])
	if from.index != C.UINT64_MAX {
		ours.Operation = int(from.index)
	}
	return ours
}

func failedWith(status C.mantis_status, code string) error {
	switch status {
	case C.MANTIS_E_TIMEOUT:
		return ErrConnectionTimeout
	case C.MANTIS_E_CLOSED:
		return ErrPoolClosed
	case C.MANTIS_E_BUSY:
		return ErrConnectionBusy
	}
	name := C.GoString(C.mantis_status_name(status))
	err := newError(firstText(code, name), name)
	err.isUnknown = status == C.MANTIS_E_OUTCOME_UNKNOWN || code == "storage-failed" || code == "58030"
	return err
}

// follow looks for changes after each commit. It holds a connection only while it reads a page.
func (local *local) follow(ctx context.Context, options ChangesOptions, to watcher) error {
	feed := &localFeed{local: local, options: options, cursor: firstText(options.Since, Now)}
	for {
		var stats C.mantis_stats
		stats.size = C.uint32_t(unsafe.Sizeof(stats))
		err := local.within(func() error {
			C.mantis_pool_stats(local.pool, &stats, nil)
			return nil
		})
		if err != nil {
			return nil // The pool was closed.
		}
		for isAtEnd := false; !isAtEnd; {
			var changes []Change
			changes, isAtEnd, err = feed.page(ctx)
			if errors.Is(err, ErrPoolClosed) {
				return nil
			} else if err != nil {
				return err
			}
			for _, change := range changes {
				if !to.show(change) {
					return ctx.Err()
				}
			}
		}
		to.ready()
		if err := local.awaitCommit(ctx, stats.version); errors.Is(err, ErrPoolClosed) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// awaitCommit waits for a commit after that version, or for a while.
func (local *local) awaitCommit(ctx context.Context, version C.uint64_t) error {
	short, cancel := context.WithTimeout(ctx, feedPause)
	defer cancel()
	return local.within(func() error {
		_, _, _ = local.await(short, func(id C.uint64_t, ticket *C.mantis_token) C.mantis_status {
			return C.mantis_pool_version_start(local.pool, version, local.queue, id, ticket, nil)
		})
		return ctx.Err()
	})
}

//go:build cgo && !mantisdb_remote

package pool

// #include "local.h"
import "C"

import (
	"context"
	"time"
	"unsafe"
)

// localSession is a connection of the library's pool, and the memory of its calls. It is used again for others.
type localSession struct {
	local   *local
	conn    C.mantis_conn
	scratch *C.scratch
	isInTx  bool
	// All writes of the connection are deferred.
	isDeferred bool
	// Memory of packed keys, for the next call.
	packed []byte
	wait   settleWait
}

// Packed keys of more bytes are not kept.
const packedKeptMost = 1 << 16

// address is that of the scratch, which is in C memory and does not move.
func (session *localSession) address() C.uintptr_t {
	return C.uintptr_t(uintptr(unsafe.Pointer(session.scratch)))
}

func (session *localSession) release() {
	session.isInTx, session.isDeferred = false, false
	session.local.gated(func() C.mantis_status { return C.mantis_conn_release(session.conn, nil) })
	_ = session.local.left(session)
}

func (session *localSession) hasTransaction() bool { return session.isInTx }

// refused is the error for a condition that did not hold.
func (session *localSession) refused() error {
	written := &session.scratch.written
	err := newError(ErrRefused.Code, ErrRefused.Message)
	err.Refusals = []Refusal{{
		Exists:  written.flags&C.MANTIS_CURRENT_EXISTS != 0,
		Version: uint64(written.current_version),
	}}
	return err
}

// settled returns what was written, after waiting until it is as durable as the database promises.
func (session *localSession) settled(ctx context.Context, status C.mantis_status) (Written, error) {
	written := &session.scratch.written
	switch {
	case status == C.MANTIS_REFUSED:
		return Written{}, session.refused()
	case status < 0:
		return Written{}, failed(status, session.scratch)
	}
	version := written.version
	if session.isInTx || written.flags&C.MANTIS_UNSETTLED == 0 {
		return Written{Version: uint64(version), Durable: written.flags&C.MANTIS_DURABLE != 0}, nil
	}
	isDurable, err := session.settle(ctx, version)
	if err != nil {
		return Written{}, err
	}
	return Written{Version: uint64(version), Durable: isDurable}, nil
}

// deferWrites lets writes that have no flag for it answer before they are durable: settled waits for them without a thread.
func (session *localSession) deferWrites() {
	if !session.isDeferred {
		session.isDeferred = C.mantis_conn_set_deferred(session.conn, 1, nil) == C.MANTIS_OK
	}
}

func (session *localSession) begin(ctx context.Context, options TransactionOptions, retryToken string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var flags C.uint32_t
	if options.Snapshot {
		flags |= C.MANTIS_BEGIN_SNAPSHOT
	}
	if retryToken != "" {
		flags |= C.MANTIS_BEGIN_AGAIN
	}
	if status := C.mantis_conn_begin(session.conn, flags, &session.scratch.error); status != C.MANTIS_OK {
		return failed(status, session.scratch)
	}
	session.isInTx = true
	return nil
}

func (session *localSession) commit(ctx context.Context) (Written, error) {
	session.isInTx = false
	if err := ctx.Err(); err != nil {
		C.mantis_conn_rollback(session.conn, nil)
		return Written{}, err
	}
	status := C.mantis_conn_commit(session.conn, C.MANTIS_DEFER, &session.scratch.written, &session.scratch.error)
	written, err := session.settled(ctx, status)
	if ours, is := err.(*Error); is && status == C.MANTIS_E_CONFLICT {
		ours.retryToken = "again"
	}
	return written, err
}

func (session *localSession) rollback(context.Context) error {
	session.isInTx = false
	if status := C.mantis_conn_rollback(session.conn, &session.scratch.error); status < 0 {
		return failed(status, session.scratch)
	}
	return nil
}

func (session *localSession) read(ctx context.Context, bucket, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name, nameLength := bucketOfName(bucket)
	bytes, length := bytesOf(key)
	scratch := session.scratch
	status := C.scratch_get(session.address(), session.conn, name, nameLength, (*C.char)(bytes), length)
	switch {
	case status == C.MANTIS_NOT_FOUND:
		return ErrNotFound
	case status < 0:
		return failed(status, scratch)
	}
	return nil
}

// value is a copy of the value that was read: it is in the scratch, or where the library has it if there is no room.
func (session *localSession) value() []byte {
	entry := &session.scratch.entry
	if entry.value == nil {
		return copied(&session.scratch.value[0], entry.value_len)
	}
	return copied(entry.value, entry.value_len)
}

func (session *localSession) get(ctx context.Context, bucket, key string) ([]byte, error) {
	if err := session.read(ctx, bucket, key); err != nil {
		return nil, err
	}
	return session.value(), nil
}

func (session *localSession) getEntry(ctx context.Context, bucket, key string) (Entry, error) {
	if err := session.read(ctx, bucket, key); err != nil {
		return Entry{}, err
	}
	from := &session.scratch.entry
	mediaType := copied((*C.uint8_t)(unsafe.Pointer(from.media_type)), from.media_type_len)
	entry := Entry{
		Key: key, Value: session.value(), MediaType: mediaTypeOf(mediaType),
		Version: uint64(from.version), ModifiedAt: time.UnixMilli(int64(from.modified_ms)).UTC(),
	}
	if from.flags&C.MANTIS_ENTRY_EXPIRES != 0 {
		entry.ExpiresAt = time.UnixMilli(int64(from.expires_ms)).UTC()
	}
	return entry, nil
}

// shown is the page that a call has shown, in the library's memory: until the next call.
func (session *localSession) shown() []byte {
	page := &session.scratch.page
	if page.data == nil || page.data_len == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(page.data)), int(page.data_len))
}

// page returns a copy of the page that a call has shown.
func (session *localSession) page() []byte {
	return copied(session.scratch.page.data, session.scratch.page.data_len)
}

func (session *localSession) getMany(ctx context.Context, bucket string, keys []string) ([][]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	packed := packKeys(session.packed, keys)
	if cap(packed) <= packedKeptMost {
		session.packed = packed
	}
	name, nameLength := bucketOfName(bucket)
	bytes, length := given(packed)
	scratch := session.scratch
	status := C.scratch_get_many(session.address(), session.conn, name, nameLength, (*C.char)(bytes), length,
		C.size_t(len(keys)))
	if status < 0 {
		return nil, failed(status, scratch)
	}
	return unpackValues(session.shown(), len(keys))
}

func (session *localSession) set(
	ctx context.Context, bucket, key string, value []byte, options SetOptions,
) (Written, error) {
	if err := ctx.Err(); err != nil {
		return Written{}, err
	}
	ms, err := options.ttlMS()
	if err != nil {
		return Written{}, err
	}
	scratch := session.scratch
	to := &scratch.options
	if len(options.MediaType) >= len(to.media_type) {
		return Written{}, newError("media-type-invalid", "A media type has 1 to 255 characters of visible ASCII and spaces.")
	}
	to.flags, to.condition = C.MANTIS_DEFER, C.uint32_t(options.If.kind)
	to.if_version, to.ttl_ms, to.media_type_len = C.uint64_t(options.If.version), C.uint64_t(ms), 0
	if ms != 0 {
		to.flags |= C.MANTIS_PUT_TTL
	}
	if options.MediaType != "" {
		to.flags |= C.MANTIS_PUT_MEDIA_TYPE
		to.media_type_len = C.uint32_t(len(options.MediaType))
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&to.media_type[0])), len(to.media_type)), options.MediaType)
	}
	name, nameLength := bucketOfName(bucket)
	keyBytes, keyLength := bytesOf(key)
	valueBytes, valueLength := given(value)
	status := C.mantis_conn_put(session.conn, name, nameLength, keyBytes, keyLength, valueBytes, valueLength, to,
		&scratch.written, &scratch.error)
	return session.settled(ctx, status)
}

func (session *localSession) remove(ctx context.Context, bucket, key string, condition Condition) (Deleted, error) {
	if err := ctx.Err(); err != nil {
		return Deleted{}, err
	}
	name, nameLength := bucketOfName(bucket)
	bytes, length := bytesOf(key)
	scratch := session.scratch
	status := C.mantis_conn_delete(session.conn, name, nameLength, bytes, length, C.uint32_t(condition.kind),
		C.uint64_t(condition.version), C.MANTIS_DEFER, &scratch.written, &scratch.error)
	written, err := session.settled(ctx, status)
	return Deleted{written, err == nil && status == C.MANTIS_OK}, err
}

func (session *localSession) increment(ctx context.Context, bucket, key string, by int64) (Counted, error) {
	if err := ctx.Err(); err != nil {
		return Counted{}, err
	}
	name, nameLength := bucketOfName(bucket)
	bytes, length := bytesOf(key)
	scratch := session.scratch
	status := C.mantis_conn_increment(session.conn, name, nameLength, bytes, length, C.int64_t(by), C.MANTIS_DEFER,
		&scratch.written, &scratch.error)
	number := int64(scratch.written.number)
	written, err := session.settled(ctx, status)
	return Counted{written, number}, err
}

func (session *localSession) scan(ctx context.Context, bucket string, options ScanOptions) (Page, error) {
	if err := ctx.Err(); err != nil {
		return Page{}, err
	}
	limit := options.Limit
	if limit == 0 {
		limit = pageDefault
	}
	var flags C.uint32_t
	if options.Reverse {
		flags |= C.MANTIS_SCAN_REVERSE
	}
	if options.KeysOnly {
		flags |= C.MANTIS_SCAN_KEYS
	}
	name, nameLength := bucketOfName(bucket)
	kind, start, startLength, end, endLength := spanOf(options.Span)
	cursor, cursorLength := textOf(options.Cursor)
	scratch := session.scratch
	status := C.mantis_conn_scan(session.conn, name, nameLength, kind, start, startLength, end, endLength, flags,
		C.uint32_t(limit), unsafe.Pointer(cursor), cursorLength, &scratch.page, &scratch.error)
	if status < 0 {
		return Page{}, failed(status, scratch)
	}
	next := string(copied(scratch.page.cursor, scratch.page.cursor_len))
	entries, err := unpackEntries(session.page(), options.KeysOnly)
	return Page{Entries: entries, Cursor: next}, err
}

// spanOf is a span as calls take it; a bound that is not given is nil.
func spanOf(span Span) (C.uint32_t, unsafe.Pointer, C.size_t, unsafe.Pointer, C.size_t) {
	kind, first, second := span.packed()
	start, startLength := textOf(first)
	end, endLength := textOf(second)
	return C.uint32_t(kind), unsafe.Pointer(start), startLength, unsafe.Pointer(end), endLength
}

func (session *localSession) count(ctx context.Context, bucket string, span Span) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	name, nameLength := bucketOfName(bucket)
	kind, start, startLength, end, endLength := spanOf(span)
	var count C.uint64_t
	status := C.mantis_conn_count(session.conn, name, nameLength, kind, start, startLength, end, endLength,
		&count, &session.scratch.error)
	if status < 0 {
		return 0, failed(status, session.scratch)
	}
	return uint64(count), nil
}

func (session *localSession) deleteSpan(ctx context.Context, bucket string, span Span) (DeletedKeys, error) {
	if err := ctx.Err(); err != nil {
		return DeletedKeys{}, err
	}
	name, nameLength := bucketOfName(bucket)
	kind, start, startLength, end, endLength := spanOf(span)
	scratch := session.scratch
	session.deferWrites()
	status := C.mantis_conn_delete_span(session.conn, name, nameLength, kind, start, startLength, end, endLength,
		&scratch.written, &scratch.error)
	return session.deletedKeys(ctx, status)
}

func (session *localSession) deletedKeys(ctx context.Context, status C.mantis_status) (DeletedKeys, error) {
	count := uint64(session.scratch.written.count)
	if status < 0 {
		return DeletedKeys{Keys: uint64(session.scratch.error.deleted)}, failed(status, session.scratch)
	}
	written, err := session.settled(ctx, status)
	return DeletedKeys{written, count}, err
}

func (session *localSession) apply(ctx context.Context, bucket string, operations []Operation) (Applied, error) {
	if err := ctx.Err(); err != nil {
		return Applied{}, err
	}
	packed, err := packOperations(operations)
	if err != nil {
		return Applied{}, err
	}
	name, nameLength := bucketOfName(bucket)
	bytes, length := given(packed)
	scratch := session.scratch
	status := C.mantis_conn_apply(session.conn, name, nameLength, bytes, length, C.size_t(len(operations)), C.MANTIS_DEFER,
		&scratch.page, &scratch.written, &scratch.error)
	if status == C.MANTIS_REFUSED {
		refused := newError("check-failed", ErrRefused.Message)
		refused.Refusals, err = unpackRefusals(session.page())
		if err != nil {
			return Applied{}, err
		}
		return Applied{}, refused
	}
	if status < 0 {
		return Applied{}, failed(status, scratch)
	}
	results, err := unpackResults(session.page(), len(operations))
	if err != nil {
		return Applied{}, err
	}
	for index, operation := range operations {
		if operation.Op == "get" {
			results[index].Entry.Key = operation.Key
		}
	}
	written, err := session.settled(ctx, status)
	return Applied{written, results}, err
}

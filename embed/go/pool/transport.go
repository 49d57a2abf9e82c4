package pool

import (
	"context"
	"io"
)

// transport is a way to a database, with a pool of sessions. All methods are for any goroutine.
type transport interface {
	acquire(ctx context.Context) (session, error)
	stats() (PoolStats, error)
	// close refuses later acquisitions and wakes waiters. Sessions that are out work until they are released.
	close() error
	// follow shows changes until the context ends, and returns why it ended.
	follow(ctx context.Context, options ChangesOptions, to watcher) error
	ping(ctx context.Context) error
	backup(ctx context.Context, to io.Writer) error
}

// watcher is where a feed's changes go.
type watcher struct {
	// ready is called when later commits will be shown, once or more often.
	ready func()
	// show waits until the change is taken, and tells whether more are wanted.
	show func(Change) bool
}

// session is one connection, used by one goroutine at a time. While a transaction is open, everything belongs to it.
type session interface {
	release()

	begin(ctx context.Context, options TransactionOptions, retryToken string) error
	commit(ctx context.Context) (Written, error)
	rollback(ctx context.Context) error
	hasTransaction() bool

	get(ctx context.Context, bucket, key string) ([]byte, error)
	getEntry(ctx context.Context, bucket, key string) (Entry, error)
	getMany(ctx context.Context, bucket string, keys []string) ([][]byte, error)
	set(ctx context.Context, bucket, key string, value []byte, options SetOptions) (Written, error)
	remove(ctx context.Context, bucket, key string, condition Condition) (Deleted, error)
	increment(ctx context.Context, bucket, key string, by int64) (Counted, error)
	scan(ctx context.Context, bucket string, options ScanOptions) (Page, error)
	count(ctx context.Context, bucket string, span Span) (uint64, error)
	deleteSpan(ctx context.Context, bucket string, span Span) (DeletedKeys, error)
	apply(ctx context.Context, bucket string, operations []Operation) (Applied, error)
	batch(ctx context.Context, operations []BatchOperation) (Applied, error)
	buckets(ctx context.Context) ([]BucketInfo, error)
	dropBucket(ctx context.Context, bucket string) (DeletedKeys, error)

	createTable(ctx context.Context, table string, definition []byte) (bool, error)
	alterTable(ctx context.Context, table string, changes []byte) error
	dropTable(ctx context.Context, table string) error
	describeTable(ctx context.Context, table string) ([]byte, error)
	tables(ctx context.Context) ([]string, error)
	getRow(ctx context.Context, table string, key []any, selected string) (Row, error)
	selectRows(ctx context.Context, table string, query Query) (Rows, error)
	// fetchRows returns packed rows.
	fetchRows(ctx context.Context, table string, query Query) ([]byte, error)
	countRows(ctx context.Context, table string, query Query) (uint64, error)
	explainRows(ctx context.Context, table string, query Query) (string, error)
	writeRows(ctx context.Context, writing rowWriting) (RowsWritten, error)
}

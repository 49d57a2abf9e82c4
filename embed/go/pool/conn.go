package pool

import (
	"context"
	"sync/atomic"
	"time"
)

// PooledConnection is a connection that was acquired. It is for one goroutine at a time. Its methods for keys are about
// the bucket "default"; while it has a transaction open, all of its methods belong to that.
type PooledConnection struct {
	session session
	// Bits: isBusy while a call runs, isReleased from Release on.
	state atomic.Uint32
	// The open transaction, or the one that ended last.
	transaction *Transaction
}

const (
	isBusy     = 1
	isReleased = 2
	// Time for a rollback that nobody waits for.
	rollbackTime = 5 * time.Second
)

// enter begins a call. Every successful enter is followed by exit.
func (connection *PooledConnection) enter() error {
	if connection.state.CompareAndSwap(0, isBusy) {
		return nil
	}
	if connection.state.Load()&isReleased != 0 {
		return ErrConnectionReleased
	}
	return ErrConnectionBusy
}

func (connection *PooledConnection) exit() {
	for {
		state := connection.state.Load()
		if connection.state.CompareAndSwap(state, state&^isBusy) {
			if state&isReleased != 0 {
				connection.giveBack()
			}
			return
		}
	}
}

// Release gives the connection back to its pool. An open transaction is rolled back. Releasing twice does nothing, and
// later calls of the connection's methods are ErrConnectionReleased. A call that another goroutine has under way ends
// before the pool hands the connection out again.
func (connection *PooledConnection) Release() {
	for {
		state := connection.state.Load()
		if state&isReleased != 0 {
			return
		}
		if connection.state.CompareAndSwap(state, state|isReleased) {
			if state&isBusy == 0 {
				connection.giveBack()
			}
			return
		}
	}
}

func (connection *PooledConnection) giveBack() {
	session := connection.session
	if !session.hasTransaction() {
		session.release()
		return
	}
	// A server is told in the background: Release has no context, and the caller is done.
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), rollbackTime)
		defer cancel()
		_ = session.rollback(ctx)
		session.release()
	}()
}

// Bucket returns the keys and values of a bucket. The first write makes it.
func (connection *PooledConnection) Bucket(name string) *Bucket {
	return &Bucket{name: name, scope: scope{connection: connection}}
}

func (connection *PooledConnection) keys() *Bucket { return connection.Bucket(DefaultBucket) }

// Get returns the value of a key: ErrNotFound if it does not exist or has expired.
func (connection *PooledConnection) Get(ctx context.Context, key string) ([]byte, error) {
	if err := connection.enter(); err != nil {
		return nil, err
	}
	value, err := connection.session.get(ctx, DefaultBucket, key)
	connection.exit()
	return value, err
}

// GetMany returns the values of up to 1,000 keys in one snapshot, in their order; nil for those that do not exist.
func (connection *PooledConnection) GetMany(ctx context.Context, keys ...string) ([][]byte, error) {
	return connection.keys().GetMany(ctx, keys...)
}

// Set stores a value under a key. It returns when the commit is as durable as the database promises.
func (connection *PooledConnection) Set(ctx context.Context, key string, value []byte) error {
	_, err := connection.keys().Set(ctx, key, value)
	return err
}

// Delete removes a key. It is no error if there was none: Bucket.Delete tells.
func (connection *PooledConnection) Delete(ctx context.Context, key string) error {
	_, err := connection.keys().Delete(ctx, key)
	return err
}

// Apply runs operations on keys in order and in one commit: all of them or, with ErrRefused, none.
func (connection *PooledConnection) Apply(ctx context.Context, operations ...Operation) (Applied, error) {
	return connection.keys().Apply(ctx, operations...)
}

// Scan goes through keys in order, page by page.
func (connection *PooledConnection) Scan(ctx context.Context, options ScanOptions) *Scanner {
	return connection.keys().Scan(ctx, options)
}

// Batch runs operations on keys and rows of any buckets and tables in order and in one commit: all of them or, with
// ErrRefused where a condition does not hold, none.
func (connection *PooledConnection) Batch(ctx context.Context, operations ...BatchOperation) (Applied, error) {
	return scope{connection: connection}.batch(ctx, operations)
}

// Buckets lists the buckets by name.
func (connection *PooledConnection) Buckets(ctx context.Context) ([]BucketInfo, error) {
	return within(scope{connection: connection}, func(session session) ([]BucketInfo, error) {
		return session.buckets(ctx)
	})
}

// DropBucket removes a bucket with its keys. The default bucket cannot be dropped.
func (connection *PooledConnection) DropBucket(ctx context.Context, name string) (DeletedKeys, error) {
	return within(scope{connection: connection}, func(session session) (DeletedKeys, error) {
		return session.dropBucket(ctx, name)
	})
}

// scope is a connection, or a transaction of it, which must be open then.
type scope struct {
	connection  *PooledConnection
	transaction *Transaction
}

// within calls work with the session, as the only one.
func within[T any](scope scope, work func(session) (T, error)) (T, error) {
	var none T
	connection := scope.connection
	if err := connection.enter(); err != nil {
		return none, err
	}
	defer connection.exit()
	if scope.transaction != nil && !scope.transaction.isOpen() {
		return none, ErrTransactionNotOpen
	}
	return work(connection.session)
}

package pool

import (
	"context"
	"errors"
	"math/rand"
	"time"
)

// Transaction is a transaction of a connection: reads of one snapshot, and writes that become visible together when it
// commits. A server rolls it back after 30 seconds without a call.
type Transaction struct {
	connection *PooledConnection
	hasEnded   bool
}

// isOpen is asked while the connection is entered.
func (transaction *Transaction) isOpen() bool {
	return !transaction.hasEnded && transaction.connection.transaction == transaction
}

func (transaction *Transaction) scope() scope {
	return scope{connection: transaction.connection, transaction: transaction}
}

// Begin opens a transaction. A connection has at most one open: ErrTransactionOpen.
func (connection *PooledConnection) Begin(ctx context.Context, options TransactionOptions) (*Transaction, error) {
	return connection.beginAgain(ctx, options, "")
}

func (connection *PooledConnection) beginAgain(
	ctx context.Context, options TransactionOptions, retryToken string,
) (*Transaction, error) {
	return within(scope{connection: connection}, func(session session) (*Transaction, error) {
		if session.hasTransaction() {
			return nil, ErrTransactionOpen
		}
		if err := session.begin(ctx, options, retryToken); err != nil {
			return nil, err
		}
		connection.transaction = &Transaction{connection: connection}
		return connection.transaction, nil
	})
}

// Bucket returns the keys and values of a bucket, in the transaction.
func (transaction *Transaction) Bucket(name string) *Bucket {
	return &Bucket{name: name, scope: transaction.scope()}
}

func (transaction *Transaction) keys() *Bucket { return transaction.Bucket(DefaultBucket) }

// Get returns the value of a key of the bucket "default": ErrNotFound if it does not exist or has expired.
func (transaction *Transaction) Get(ctx context.Context, key string) ([]byte, error) {
	return transaction.keys().Get(ctx, key)
}

// Set stores a value in the bucket "default".
func (transaction *Transaction) Set(ctx context.Context, key string, value []byte) error {
	_, err := transaction.keys().Set(ctx, key, value)
	return err
}

// Delete removes a key of the bucket "default". It is no error if there was none.
func (transaction *Transaction) Delete(ctx context.Context, key string) error {
	_, err := transaction.keys().Delete(ctx, key)
	return err
}

// Table returns the rows of a table, in the transaction. A statement that fails is undone alone.
func (transaction *Transaction) Table(name string) *Table {
	return &Table{name: name, scope: transaction.scope()}
}

// Batch runs operations on keys and rows in order, all or none of them: one that fails undoes the batch, and nothing else.
func (transaction *Transaction) Batch(ctx context.Context, operations ...BatchOperation) (Applied, error) {
	return transaction.scope().batch(ctx, operations)
}

// Commit ends the transaction, whatever the outcome: ErrConflict if another commit changed what it had read, and
// ErrOutcomeUnknown if the context ended before the answer came.
func (transaction *Transaction) Commit(ctx context.Context) (Written, error) {
	return within(transaction.scope(), func(session session) (Written, error) {
		transaction.hasEnded = true
		return session.commit(ctx)
	})
}

// Rollback discards the transaction's writes. It does nothing if the transaction has ended, so that it may be deferred.
func (transaction *Transaction) Rollback(ctx context.Context) error {
	_, err := within(transaction.scope(), func(session session) (struct{}, error) {
		transaction.hasEnded = true
		return struct{}{}, session.rollback(ctx)
	})
	if errors.Is(err, ErrTransactionNotOpen) || errors.Is(err, ErrConnectionReleased) {
		return nil
	}
	return err
}

const (
	attemptsMost = 8
	// The longest pause after the first conflict; it doubles with each further one.
	pauseFirst = 2 * time.Millisecond
	pauseMost  = time.Second
)

// Update runs work in a transaction and commits it. After a conflict it runs work again, 8 times in all at most, and
// returns the last ErrConflict then; work must not do what cannot be repeated. After any other error or a panic of work
// the transaction is rolled back. A commit whose outcome is unknown is not repeated.
func (connection *PooledConnection) Update(ctx context.Context, work func(*Transaction) error) error {
	retryToken := ""
	for attempt := 1; ; attempt++ {
		err := connection.attempt(ctx, retryToken, work)
		if err == nil || !errors.Is(err, ErrConflict) || errors.Is(err, ErrOutcomeUnknown) || attempt == attemptsMost {
			return err
		}
		var lost *Error
		if errors.As(err, &lost) {
			retryToken = lost.retryToken
		}
		if err := pauseAfter(ctx, attempt); err != nil {
			return err
		}
	}
}

func (connection *PooledConnection) attempt(
	ctx context.Context, retryToken string, work func(*Transaction) error,
) error {
	transaction, err := connection.beginAgain(ctx, TransactionOptions{}, retryToken)
	if err != nil {
		return err
	}
	// Also after a panic, and with a context that has ended: the caller gets the first error.
	defer func() {
		if !transaction.hasEnded {
			ctx, cancel := context.WithTimeout(context.Background(), rollbackTime)
			defer cancel()
			_ = transaction.Rollback(ctx)
		}
	}()
	if err := work(transaction); err != nil {
		return err
	}
	_, err = transaction.Commit(ctx)
	return err
}

// pauseAfter waits for a random time, so that transactions that conflicted do not meet again.
func pauseAfter(ctx context.Context, attempt int) error {
	longest := pauseFirst << (attempt - 1)
	if longest > pauseMost {
		longest = pauseMost
	}
	timer := time.NewTimer(time.Duration(rand.Int63n(int64(longest))))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

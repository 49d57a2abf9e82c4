package pool

import (
	"context"
	"io"
	"sync"
)

// ConnectionPool hands out connections to one database. It is for any number of goroutines.
type ConnectionPool struct {
	transport transport
	// Ends feeds when the pool is closed.
	closed  chan struct{}
	closing sync.Once
}

// NewConnectionPool makes a pool; nil is the default configuration. A server is not contacted yet: Ping does that. A local
// database is opened, and is locked until the pool is closed.
func NewConnectionPool(config *PoolConfig) (*ConnectionPool, error) {
	full, err := config.complete()
	if err != nil {
		return nil, err
	}
	open := openLocal
	if full.isRemote() {
		open = openRemote
	}
	transport, err := open(full)
	if err != nil {
		return nil, err
	}
	return &ConnectionPool{transport: transport, closed: make(chan struct{})}, nil
}

// Acquire waits for a connection, in the order of the calls, until the context ends or for ConnectionTimeout. The
// connection must be released.
func (pool *ConnectionPool) Acquire(ctx context.Context) (*PooledConnection, error) {
	session, err := pool.transport.acquire(ctx)
	if err != nil {
		return nil, err
	}
	return &PooledConnection{session: session}, nil
}

// With acquires a connection, calls work with it, and releases it.
func (pool *ConnectionPool) With(ctx context.Context, work func(*PooledConnection) error) error {
	connection, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer connection.Release()
	return work(connection)
}

// Update acquires a connection, and runs work in a transaction as PooledConnection.Update does.
func (pool *ConnectionPool) Update(ctx context.Context, work func(*Transaction) error) error {
	return pool.With(ctx, func(connection *PooledConnection) error { return connection.Update(ctx, work) })
}

// Stats returns figures of the pool.
func (pool *ConnectionPool) Stats() (*PoolStats, error) {
	stats, err := pool.transport.stats()
	if err != nil {
		return nil, err
	}
	return &stats, nil
}

// Ping tells whether the database can be reached.
func (pool *ConnectionPool) Ping(ctx context.Context) error { return pool.transport.ping(ctx) }

// Backup writes the whole database at one commit, whatever is written meanwhile, in the form that mantisdb restore
// takes. A backup that was broken off is not taken for a whole one. A local database's goes through a temporary file:
// while the library writes it the context is not asked.
func (pool *ConnectionPool) Backup(ctx context.Context, to io.Writer) error {
	return pool.transport.backup(ctx, to)
}

// Close refuses later acquisitions, wakes those that wait with ErrPoolClosed, and ends feeds. Connections that are out
// work until they are released; a local database is closed after the last. Closing twice does nothing.
func (pool *ConnectionPool) Close() error {
	var err error
	pool.closing.Do(func() {
		close(pool.closed)
		err = pool.transport.close()
	})
	return err
}

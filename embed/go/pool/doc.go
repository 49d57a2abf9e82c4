// Package pool is MantisDB for Go programs: an ordered, transactional key-value and table store, reached through a
// pool of connections.
//
// A pool is of a server, by its URL, or of a database inside the program (with cgo and the library mantisdb). Both
// have the same methods, errors and meaning. Without cgo the package is pure Go and speaks to servers only.
//
//	config := pool.DefaultPoolConfig()
//	config.Location = "http://127.0.0.1:8080"
//	p, err := pool.NewConnectionPool(config)
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer p.Close()
//	conn, err := p.Acquire(ctx)
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer conn.Release()
//	err = conn.Set(ctx, "greeting", []byte("hello"))
//
// # Keys and values
//
// Keys are strings of 1 to 4,096 bytes, values up to 16 MiB; neither has to be UTF-8. Keys are in the order of their
// bytes. [PooledConnection] has the methods of the bucket "default"; [PooledConnection.Bucket] has those of any other.
//
// # Errors
//
// Every error of the database is an [*Error] with a stable code. Compare with [errors.Is] and the Err variables, or look
// at [CodeOf]. A write whose context ends, or whose connection breaks, after it was sent may or may not have happened:
// its error is [ErrOutcomeUnknown], beside the context's own error.
//
// # Concurrency
//
// A [ConnectionPool] is for any number of goroutines. A connection, and what was made of it (buckets, tables,
// transactions, scanners), is for one goroutine at a time; a second one gets [ErrConnectionBusy].
package pool

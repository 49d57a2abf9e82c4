// Package pool is MantisDB for Go programs: an ordered, transactional key-value and table store, reached through a
// pool of connections.
//
// A pool is of a server, by its URL, or of a database inside the program. Both have the same methods, and the same codes
// of the database's errors. An [Error] from a server has a Status and a RequestID besides; network errors
// ([ErrUnreachable]) are a server's alone, and disk errors of opening a local database's.
//
// # Building
//
// A program for servers needs nothing but Go: CGO_ENABLED=0, or -tags mantisdb_remote where cgo is on. A local location is
// [ErrNotBuilt] then. A database inside the program needs cgo, the header mantisdb.h and the library mantisdb_c. With cgo,
// without that tag and without the header the package does not compile: "mantisdb.h is not there" (without the library:
// "cannot find -lmantisdb_c"). There are three ways out: install both with just install-c /usr/local; name the folders of
// a checkout in CGO_CFLAGS and CGO_LDFLAGS; or build for servers only.
//
// # Example
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

// Quickstart writes, reads and deletes a key through a pool of connections. MANTISDB_URL names a server; without it, in a
// program with cgo, the database is in memory.
package main

import (
	"context"
	"log"
	"time"

	"github.com/mantisdb/mantisdb/embed/go/pool"
)

func main() {
	config := &pool.PoolConfig{
		MinConnections:    10,
		MaxConnections:    1000,
		MaxIdleTime:       5 * time.Minute,
		ConnectionTimeout: 10 * time.Second,
	}
	p, err := pool.NewConnectionPool(config)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	ctx := context.Background()
	conn, err := p.Acquire(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Release()

	if err := conn.Set(ctx, "user:123", []byte("Ann")); err != nil {
		log.Fatal(err)
	}
	value, err := conn.Get(ctx, "user:123")
	if err != nil {
		log.Fatal(err)
	}
	if err := conn.Delete(ctx, "user:123"); err != nil {
		log.Fatal(err)
	}
	stats, err := p.Stats()
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("%s; active: %d, idle: %d, average wait: %d ms",
		value, stats.ActiveConnections, stats.IdleConnections, stats.AvgWaitTimeMs)
}

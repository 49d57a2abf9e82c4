//go:build cgo && !mantisdb_remote

package pool

import (
	"context"
	"errors"
	"math/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Statements on rows, batches and deletions of spans wait for the disk as other writes do: a context ends the wait, and what
// was acknowledged is there.
func TestContextsEndWaitsOfAllWrites(t *testing.T) {
	pool, err := NewConnectionPool(&PoolConfig{Location: t.TempDir(), MaxConnections: 16})
	check(t, err)
	defer pool.Close()
	_, err = acquire(t, pool).CreateTable(background, "marks", map[string]any{
		"columns": []any{map[string]any{"name": "id", "type": "bigint"}}, "primary_key": []string{"id"},
	})
	check(t, err)
	writes := map[string]func(ctx context.Context, connection *PooledConnection, id int) error{
		"rows": func(ctx context.Context, connection *PooledConnection, id int) error {
			_, err := connection.Table("marks").Insert(ctx, []map[string]any{{"id": id}}, WriteOptions{})
			return err
		},
		"batch": func(ctx context.Context, connection *PooledConnection, id int) error {
			_, err := connection.Batch(ctx, RowOperation{Op: "insert", Table: "marks", Rows: map[string]any{"id": id}})
			return err
		},
	}
	for name, write := range writes {
		name, write := name, write
		t.Run(name, func(t *testing.T) {
			var unknown, written atomic.Int64
			var done sync.WaitGroup
			end := time.Now().Add(20 * time.Second)
			for number := 0; number < 16; number++ {
				number := number
				done.Add(1)
				go func() {
					defer done.Done()
					connection, err := pool.Acquire(background)
					if err != nil {
						t.Error(err)
						return
					}
					defer connection.Release()
					for turn := 0; (unknown.Load() == 0 || written.Load() == 0) && time.Now().Before(end); turn++ {
						id := len(name)<<40 | number<<24 | turn
						ctx, cancel := context.WithTimeout(background, time.Duration(rand.Intn(2_000))*time.Microsecond)
						err := write(ctx, connection, id)
						cancel()
						switch {
						case err == nil:
							written.Add(1)
							count, err := connection.Table("marks").Count(background, Query{Filter: "id=eq.$1", Arguments: []any{id}})
							if err != nil || count != 1 {
								t.Error("a row that was acknowledged is missing", count, err)
							}
						case errors.Is(err, ErrOutcomeUnknown):
							if !errors.Is(err, context.DeadlineExceeded) {
								t.Error(err)
							}
							unknown.Add(1)
						case !errors.Is(err, context.DeadlineExceeded):
							t.Error(err)
						}
					}
				}()
			}
			done.Wait()
			if unknown.Load() == 0 || written.Load() == 0 {
				t.Error("acknowledged", written.Load(), "unknown", unknown.Load())
			}
		})
	}
}

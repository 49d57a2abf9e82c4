// The Go side of the bench `embed`: it does rounds that it is asked for, a line each, and answers with nanoseconds of
// processor time for one operation, or of the clock where it is asked for that.
package main

/*
static void nothing(void) {}
*/
import "C"

import (
	"bufio"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mantisdb/mantisdb/embed/go/pool"
)

const (
	keys       = 10_000
	valueBytes = 64
	together   = 100
	most       = 16 // connections of each pool
)

var ctx = context.Background()

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func open(location string, connections int) *pool.ConnectionPool {
	config := pool.DefaultPoolConfig()
	config.Location, config.MinConnections, config.MaxConnections = location, connections, connections
	return must(pool.NewConnectionPool(config))
}

// round does count operations.
type round func(count int)

func main() {
	directory := os.Args[1]
	rounds := map[string]round{"cgo": func(count int) {
		for ; count > 0; count-- {
			C.nothing()
		}
	}}
	addReads(rounds)
	addCommits(rounds, directory)
	addPools(rounds)
	requests := bufio.NewScanner(os.Stdin)
	for requests.Scan() {
		var name string
		var count int
		must(fmt.Sscan(requests.Text(), &name, &count))
		run, is := rounds[name]
		if !is {
			log.Fatal("there is no round ", name)
		}
		before, began := cpu(), time.Now()
		run(count)
		fmt.Println(float64(cpu()-before)/float64(count), float64(time.Since(began))/float64(count))
	}
}

// cpu is the time that the process has used, its collector's included.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func key(number int) string { return fmt.Sprintf("key:%020d", number) }

func addReads(rounds map[string]round) {
	connection := must(open(":memory:", 1).Acquire(ctx))
	names := make([]string, keys)
	for number := range names {
		// In no order, as the others have them.
		names[number] = key(number * 7_919 % keys)
		must(0, connection.Set(ctx, names[number], make([]byte, valueBytes)))
	}
	rounds["get"] = func(count int) {
		for turn := 0; turn < count; turn++ {
			if value := must(connection.Get(ctx, names[turn%keys])); len(value) != valueBytes {
				log.Fatal("a value is wrong")
			}
		}
	}
	rounds["get-many"] = func(count int) {
		for turn := 0; turn < count; turn += together {
			start := turn % keys
			for _, value := range must(connection.GetMany(ctx, names[start:start+together]...)) {
				if len(value) != valueBytes {
					log.Fatal("a value is wrong")
				}
			}
		}
	}
}

// addCommits: durable commits of so many goroutines, each with a connection and a key of its own.
func addCommits(rounds map[string]round, directory string) {
	const goroutines = 256
	connections := open(directory, goroutines)
	rounds["commit"] = func(count int) {
		var done sync.WaitGroup
		var left atomic.Int64
		left.Store(int64(count))
		for number := 0; number < goroutines; number++ {
			connection, name := must(connections.Acquire(ctx)), key(number)
			done.Add(1)
			go func() {
				defer done.Done()
				defer connection.Release()
				for left.Add(-1) >= 0 {
					must(0, connection.Set(ctx, name, make([]byte, valueBytes)))
				}
			}()
		}
		done.Wait()
	}
}

// pgx makes a function that acquires and releases of pgx's pool, where that is there.
var pgx func() func() error

// addPools: acquire and release, alone and from as many goroutines as there are connections.
func addPools(rounds map[string]round) {
	ours := open(":memory:", most)
	theirs := sql.OpenDB(connector{})
	theirs.SetMaxOpenConns(most)
	theirs.SetMaxIdleConns(most)
	borrowers := map[string]func() error{
		"pool-mantisdb": func() error {
			connection, err := ours.Acquire(ctx)
			if err == nil {
				connection.Release()
			}
			return err
		},
		"pool-sql": func() error {
			connection, err := theirs.Conn(ctx)
			if err == nil {
				err = connection.Close()
			}
			return err
		},
	}
	if pgx != nil {
		borrowers["pool-pgx"] = pgx()
	}
	for name, borrow := range borrowers {
		borrow := borrow
		for _, goroutines := range []int{1, most} {
			goroutines := goroutines
			rounds[fmt.Sprintf("%s-%d", name, goroutines)] = func(count int) {
				var done sync.WaitGroup
				for number := 0; number < goroutines; number++ {
					done.Add(1)
					go func() {
						defer done.Done()
						for turn := 0; turn < count/goroutines; turn++ {
							must(0, borrow())
						}
					}()
				}
				done.Wait()
			}
		}
	}
}

// connector makes connections that do nothing: what is left is the pool of database/sql.
type connector struct{}

func (connector) Connect(context.Context) (driver.Conn, error) { return idle{}, nil }
func (connector) Driver() driver.Driver                        { return nil }

type idle struct{}

var errIdle = errors.New("it does nothing")

func (idle) Prepare(string) (driver.Stmt, error) { return nil, errIdle }
func (idle) Close() error                        { return nil }
func (idle) Begin() (driver.Tx, error)           { return nil, errIdle }

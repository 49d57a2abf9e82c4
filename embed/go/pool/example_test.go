package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/mantisdb/mantisdb/embed/go/pool"
)

// open makes a pool of the server that the tests have started.
func open() *pool.ConnectionPool {
	config := pool.DefaultPoolConfig()
	config.Location = pool.ServerForExamples()
	p, err := pool.NewConnectionPool(config)
	if err != nil {
		log.Fatal(err)
	}
	return p
}

func Example() {
	ctx := context.Background()
	p := open()
	defer p.Close()
	conn, err := p.Acquire(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Release()
	if err := conn.Set(ctx, "greeting", []byte("hello")); err != nil {
		log.Fatal(err)
	}
	value, err := conn.Get(ctx, "greeting")
	fmt.Printf("%s %v\n", value, err)
	_, err = conn.Get(ctx, "nothing")
	fmt.Println(errors.Is(err, pool.ErrNotFound), pool.CodeOf(err))
	// Output:
	// hello <nil>
	// true key-not-found
}

func ExampleNewConnectionPool() {
	config := &pool.PoolConfig{
		MinConnections:    10,
		MaxConnections:    1000,
		MaxIdleTime:       5 * time.Minute,
		ConnectionTimeout: 10 * time.Second,
		Location:          pool.ServerForExamples(),
	}
	p, err := pool.NewConnectionPool(config)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := p.Acquire(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Release()
	if err := conn.Set(ctx, "session:7", []byte("Ida")); err != nil {
		log.Fatal(err)
	}
	value, err := conn.Get(ctx, "session:7")
	if err != nil {
		log.Fatal(err)
	}
	if err := conn.Delete(ctx, "session:7"); err != nil {
		log.Fatal(err)
	}
	stats, err := p.Stats()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %d of %d connections, %d idle\n", value, stats.ActiveConnections, stats.TotalConnections, stats.IdleConnections)
	// Output: Ida: 1 of 10 connections, 9 idle
}

// The names and types that programs were promised first.
var (
	_ func() *pool.PoolConfig                                                     = pool.DefaultPoolConfig
	_ func(*pool.PoolConfig) (*pool.ConnectionPool, error)                        = pool.NewConnectionPool
	_ func(*pool.ConnectionPool, context.Context) (*pool.PooledConnection, error) = (*pool.ConnectionPool).Acquire
	_ func(*pool.ConnectionPool) (*pool.PoolStats, error)                         = (*pool.ConnectionPool).Stats
	_ func(*pool.ConnectionPool) error                                            = (*pool.ConnectionPool).Close
	_ func(*pool.PooledConnection, context.Context, string) ([]byte, error)       = (*pool.PooledConnection).Get
	_ func(*pool.PooledConnection, context.Context, string, []byte) error         = (*pool.PooledConnection).Set
	_ func(*pool.PooledConnection, context.Context, string) error                 = (*pool.PooledConnection).Delete
	_ func(*pool.PooledConnection)                                                = (*pool.PooledConnection).Release
)

func ExampleConnectionPool_Update() {
	ctx := context.Background()
	p := open()
	defer p.Close()
	err := p.Update(ctx, func(transaction *pool.Transaction) error {
		accounts := transaction.Bucket("accounts")
		if _, err := accounts.Increment(ctx, "ann", -10); err != nil {
			return err
		}
		_, err := accounts.Increment(ctx, "bob", 10)
		return err
	})
	fmt.Println(err)
	// Output: <nil>
}

func ExampleBucket_Scan() {
	ctx := context.Background()
	p := open()
	defer p.Close()
	err := p.With(ctx, func(conn *pool.PooledConnection) error {
		cities := conn.Bucket("cities")
		if _, err := cities.Apply(ctx, pool.OpSet("paris", []byte("2.1")), pool.OpSet("oslo", []byte("0.7"))); err != nil {
			return err
		}
		scanner := cities.Scan(ctx, pool.ScanOptions{})
		for scanner.Next() {
			fmt.Println(scanner.Entry().Key, string(scanner.Entry().Value))
		}
		return scanner.Err()
	})
	fmt.Println(err)
	// Output:
	// oslo 0.7
	// paris 2.1
	// <nil>
}

func ExampleConnectionPool_Changes() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p := open()
	defer p.Close()
	feed := p.Changes(ctx, pool.ChangesOptions{Bucket: "followed"})
	<-feed.Ready()
	err := p.With(ctx, func(conn *pool.PooledConnection) error {
		_, err := conn.Bucket("followed").Set(ctx, "k", []byte("v"))
		return err
	})
	change := <-feed.C
	fmt.Println(err, change.Kind, change.Key)
	// Output: <nil> put k
}

func ExampleTable_Select() {
	ctx := context.Background()
	p := open()
	defer p.Close()
	type song struct {
		Title string `json:"title"`
		Year  int    `json:"year"`
	}
	definition := map[string]any{
		"columns":     []map[string]any{{"name": "title", "type": "text"}, {"name": "year", "type": "integer"}},
		"primary_key": []string{"title"},
	}
	err := p.With(ctx, func(conn *pool.PooledConnection) error {
		if _, err := conn.CreateTable(ctx, "songs", definition); err != nil {
			return err
		}
		songs := conn.Table("songs")
		if _, err := songs.Insert(ctx, []song{{"Fog", 1999}, {"Rain", 2004}}, pool.WriteOptions{}); err != nil {
			return err
		}
		rows, err := songs.Select(ctx, pool.Query{Filter: "year=gte.$1", Arguments: []any{2000}})
		if err != nil {
			return err
		}
		var found []song
		if err := rows.Decode(&found); err != nil {
			return err
		}
		fmt.Println(found)
		return nil
	})
	fmt.Println(err)
	// Output:
	// [{Rain 2004}]
	// <nil>
}

func ExampleTable_Fetch() {
	ctx := context.Background()
	p := open()
	defer p.Close()
	definition := pool.Rows(`{"columns": [{"name": "city", "type": "text"}, {"name": "size", "type": "numeric"},
		{"name": "founded", "type": "date"}], "primary_key": ["city"]}`)
	err := p.With(ctx, func(conn *pool.PooledConnection) error {
		if _, err := conn.CreateTable(ctx, "cities", definition); err != nil {
			return err
		}
		cities := conn.Table("cities")
		made := pool.Rows(`[{"city": "Oslo", "size": 480.76, "founded": "1048-01-01"}, {"city": "Ur", "size": null}]`)
		if _, err := cities.Insert(ctx, made, pool.WriteOptions{}); err != nil {
			return err
		}
		rows, err := cities.Fetch(ctx, pool.Query{Order: "city"})
		if err != nil {
			return err
		}
		for rows.Next() {
			var (
				city    string
				size    *pool.Numeric
				founded *time.Time
			)
			if err := rows.Scan(&city, &size, &founded); err != nil {
				return err
			}
			if size == nil {
				fmt.Println(city, "is of unknown size")
			} else {
				fmt.Println(city, *size, founded.Year())
			}
		}
		return rows.Err()
	})
	fmt.Println(err)
	// Output:
	// Oslo 480.76 1048
	// Ur is of unknown size
	// <nil>
}

package pool

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

func TestUpdatesThatMeetLoseNothing(t *testing.T) {
	pool := connect(t, nil)
	key := "counted by updates"
	var workers sync.WaitGroup
	const each = 10
	for worker := 0; worker < 8; worker++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for count := 0; count < each; {
				err := pool.Update(background, func(transaction *Transaction) error {
					_, err := transaction.Get(background, key)
					if err != nil && !errors.Is(err, ErrNotFound) {
						return err
					}
					_, err = transaction.keys().Increment(background, key, 1)
					return err
				})
				if err == nil {
					count++
				} else if !errors.Is(err, ErrConflict) {
					t.Error(err)
					return
				}
			}
		}()
	}
	workers.Wait()
	value, err := acquire(t, pool).Get(background, key)
	check(t, err)
	if string(value) != text(8*each) {
		t.Errorf("%s", value)
	}
}

func TestEndedContextsLeaveNoTransactionOpen(t *testing.T) {
	pool := connect(t, nil)
	connection := acquire(t, pool)
	for turn := 0; turn < 200; turn++ {
		ctx, cancel := context.WithTimeout(background, time.Duration(turn*10)*time.Microsecond)
		transaction, err := connection.Begin(ctx, TransactionOptions{})
		cancel()
		if err != nil {
			wants(t, err, context.DeadlineExceeded)
			continue
		}
		<-ctx.Done()
		if turn%2 == 0 {
			_, err = transaction.Commit(ctx)
			wants(t, err, ctx.Err())
		} else if err := transaction.Rollback(ctx); err != nil {
			wants(t, err, ctx.Err())
		}
	}
	leavesNothingOpen(t, pool)
}

// The server may still be at the request that was given up when it is told to roll back.
func TestAStatementThatIsGivenUpLeavesNoTransactionOpen(t *testing.T) {
	pool := connect(t, nil)
	for turn := 0; turn < 200; turn++ {
		check(t, pool.With(background, func(connection *PooledConnection) error {
			transaction, err := connection.Begin(background, TransactionOptions{})
			check(t, err)
			ctx, cancel := context.WithTimeout(background, time.Duration(turn*10)*time.Microsecond)
			defer cancel()
			if err := transaction.Set(ctx, "given up", make([]byte, 1<<20)); err == nil {
				_, err = transaction.Commit(ctx) // Often given up when it was sent.
			}
			return nil
		}))
	}
	leavesNothingOpen(t, pool)
}

func TestTransactionsEndOnce(t *testing.T) {
	connection := acquire(t, connect(t, nil))
	transaction, err := connection.Begin(background, TransactionOptions{})
	check(t, err)
	_, err = connection.Begin(background, TransactionOptions{})
	wants(t, err, ErrTransactionOpen)
	check(t, transaction.Set(background, "ended", []byte("v")))
	_, err = transaction.Commit(background)
	check(t, err)
	_, err = transaction.Commit(background)
	wants(t, err, ErrTransactionNotOpen)
	check(t, transaction.Rollback(background))
	wants(t, transaction.Set(background, "ended", nil), ErrTransactionNotOpen)
	next, err := connection.Begin(background, TransactionOptions{Snapshot: true})
	check(t, err)
	_, err = transaction.Get(background, "ended")
	wants(t, err, ErrTransactionNotOpen)
	check(t, next.Rollback(background))
}

func TestAPanicRollsBack(t *testing.T) {
	connection := acquire(t, connect(t, nil))
	func() {
		defer func() {
			if recover() != "stop" {
				t.Error("the panic did not come through")
			}
		}()
		_ = connection.Update(background, func(transaction *Transaction) error {
			check(t, transaction.Set(background, "panicked", []byte("v")))
			panic("stop")
		})
	}()
	_, err := connection.Get(background, "panicked")
	wants(t, err, ErrNotFound)
}

// silent takes requests and answers none.
func silent(t *testing.T) *ConnectionPool {
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(stop) })
	pool, err := NewConnectionPool(&PoolConfig{Location: server.URL})
	check(t, err)
	t.Cleanup(func() { _ = pool.Close() })
	return pool
}

func TestAWriteWithoutAnAnswerHasAnUnknownOutcome(t *testing.T) {
	connection := acquire(t, silent(t))
	ctx, cancel := context.WithTimeout(background, 100*time.Millisecond)
	defer cancel()
	err := connection.Set(ctx, "k", []byte("v"))
	wants(t, err, ErrOutcomeUnknown)
	wants(t, err, context.DeadlineExceeded)
	// Nothing is sent after that, and a read changes nothing.
	for _, err := range []error{connection.Set(ctx, "k", nil), func() error { _, err := connection.Get(ctx, "k"); return err }()} {
		wants(t, err, context.DeadlineExceeded)
		if errors.Is(err, ErrOutcomeUnknown) {
			t.Error(err)
		}
	}
}

func TestAServerThatIsNotThereIsUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	check(t, listener.Close())
	pool, err := NewConnectionPool(&PoolConfig{Location: "http://" + listener.Addr().String()})
	check(t, err)
	err = acquire(t, pool).Set(background, "k", nil)
	wants(t, err, ErrUnreachable)
	if errors.Is(err, ErrOutcomeUnknown) {
		t.Error("nothing was sent")
	}
}

func TestAnswersOfSomebodyElseAreErrors(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"no JSON":       func(to http.ResponseWriter, _ *http.Request) { _, _ = to.Write([]byte("<html>")) },
		"another shape": func(to http.ResponseWriter, _ *http.Request) { _, _ = to.Write([]byte(`{"results":[]}`)) },
		"a redirection": func(to http.ResponseWriter, from *http.Request) { http.Redirect(to, from, "/", http.StatusFound) },
		"too long":      func(to http.ResponseWriter, _ *http.Request) { _, _ = to.Write(make([]byte, 2_000)) },
	} {
		server := httptest.NewServer(answer)
		pool, err := NewConnectionPool(&PoolConfig{Location: server.URL, AnswerBytesMax: 1_000})
		check(t, err)
		connection := acquire(t, pool)
		if _, err := connection.GetMany(background, "k"); CodeOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
}

// A caller who repeats a write whose answer was lost must not commit it twice.
func TestATransactionThatLostTheAnswerToAWriteIsNotCommitted(t *testing.T) {
	requests := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(to http.ResponseWriter, from *http.Request) {
		requests <- from.Method + " " + from.URL.Path
		switch {
		case from.URL.Path == "/api/v1/transactions":
			to.WriteHeader(http.StatusCreated)
			_, _ = to.Write([]byte(`{"id":"t1"}`))
		case from.Method == http.MethodDelete:
			to.WriteHeader(http.StatusNoContent)
		default:
			panic(http.ErrAbortHandler) // The connection closes without an answer.
		}
	}))
	defer server.Close()
	pool, err := NewConnectionPool(&PoolConfig{Location: server.URL})
	check(t, err)
	defer pool.Close()
	transaction, err := acquire(t, pool).Begin(background, TransactionOptions{})
	check(t, err)
	wants(t, transaction.Set(background, "k", []byte("v")), ErrUnreachable)
	wants(t, transaction.Set(background, "k", []byte("v")), ErrTransactionNotOpen)
	_, err = transaction.Commit(background)
	wants(t, err, ErrTransactionNotOpen)
	for _, want := range []string{"POST /api/v1/transactions", "PUT /api/v1/kv/k", "DELETE /api/v1/transactions/t1"} {
		select {
		case request := <-requests:
			if request != want {
				t.Errorf("%s, where %s was expected", request, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no %s", want)
		}
	}
}

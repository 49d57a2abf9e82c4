package pool

import (
	"context"
	"errors"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// times is a number of repetitions, which an environment variable may raise to what a proof takes.
func times(t testing.TB, variable string, bounded int) int {
	t.Helper()
	if text := os.Getenv(variable); text != "" {
		count, err := strconv.Atoi(text)
		check(t, err)
		return count
	}
	return bounded
}

// addsUp fails unless the sums that PoolStats promises hold.
func addsUp(t testing.TB, pool *ConnectionPool) PoolStats {
	t.Helper()
	stats, err := pool.Stats()
	check(t, err)
	if stats.TotalConnections != stats.ActiveConnections+stats.IdleConnections+stats.CreatingConnections ||
		stats.ConnectionsCreated != stats.ConnectionsClosed+uint64(stats.ActiveConnections+stats.IdleConnections) ||
		stats.WaitCount != stats.WaitsGranted+stats.WaitTimeouts+stats.WaitsGivenUp+uint64(stats.WaitingRequests) {
		t.Fatalf("the figures do not add up: %+v", *stats)
	}
	return *stats
}

func TestDefaultsAreThoseOfTheDocument(t *testing.T) {
	want := PoolConfig{
		MinConnections: 10, MaxConnections: 1000, MaxIdleTime: 5 * time.Minute, ConnectionTimeout: 10 * time.Second,
	}
	got := DefaultPoolConfig()
	if got.MinConnections != want.MinConnections || got.MaxConnections != want.MaxConnections ||
		got.MaxIdleTime != want.MaxIdleTime || got.ConnectionTimeout != want.ConnectionTimeout {
		t.Errorf("%+v", got)
	}
}

func TestImpossibleConfigurationsAreRefused(t *testing.T) {
	for _, config := range []PoolConfig{
		{MinConnections: -1}, {MaxConnections: -1}, {MinConnections: 5, MaxConnections: 4}, {MaxIdleTime: -1},
		{ConnectionTimeout: -1}, {AnswerBytesMax: -1}, {Location: "http://"}, {MaxConnections: 1 << 30},
	} {
		config := config
		if config.Location == "" {
			config.Location = "http://127.0.0.1:1"
		}
		if _, err := NewConnectionPool(&config); CodeOf(err) != "argument-invalid" {
			t.Errorf("%+v: %v", config, err)
		}
	}
}

func TestAReleasedConnectionRefusesCalls(t *testing.T) {
	pool := connect(t, func(config *PoolConfig) { config.MaxConnections = 1; config.MinConnections = 0 })
	first := acquire(t, pool)
	first.Release()
	first.Release()
	wants(t, first.Set(background, "k", nil), ErrConnectionReleased)
	second := acquire(t, pool)
	first.Release() // The session is the second connection's now.
	check(t, second.Set(background, "released", []byte("v")))
	if stats := addsUp(t, pool); stats.ActiveConnections != 1 {
		t.Errorf("%+v", stats)
	}
}

func TestASecondGoroutineIsRefused(t *testing.T) {
	connection := acquire(t, connect(t, nil))
	check(t, connection.enter())
	_, err := connection.Get(background, "k")
	wants(t, err, ErrConnectionBusy)
	connection.Release() // Takes effect when the call ends.
	connection.exit()
	_, err = connection.Get(background, "k")
	wants(t, err, ErrConnectionReleased)
}

func TestWaitsEndInOrderOrInTime(t *testing.T) {
	pool := connect(t, func(config *PoolConfig) {
		config.MinConnections, config.MaxConnections, config.ConnectionTimeout = 0, 1, 50*time.Millisecond
	})
	held := acquire(t, pool)
	_, err := pool.Acquire(background)
	wants(t, err, ErrConnectionTimeout)
	ctx, cancel := context.WithTimeout(background, time.Millisecond)
	defer cancel()
	_, err = pool.Acquire(ctx)
	wants(t, err, context.DeadlineExceeded)
	if stats := addsUp(t, pool); stats.WaitTimeouts != 1 || stats.WaitCount != 2 || stats.WaitingRequests != 0 {
		t.Errorf("%+v", stats)
	}
	held.Release()
	acquire(t, pool).Release()
}

func TestCloseWakesWaitersAndLeavesHoldersAlone(t *testing.T) {
	pool := connect(t, func(config *PoolConfig) { config.MinConnections, config.MaxConnections = 0, 1 })
	held := acquire(t, pool)
	ended := make(chan error)
	go func() {
		_, err := pool.Acquire(background)
		ended <- err
	}()
	for addsUp(t, pool).WaitingRequests == 0 {
		time.Sleep(time.Millisecond)
	}
	check(t, pool.Close())
	check(t, pool.Close())
	wants(t, <-ended, ErrPoolClosed)
	check(t, held.Set(background, "closed", []byte("v")))
	held.Release()
	if stats := addsUp(t, pool); stats.TotalConnections != 0 {
		t.Errorf("%+v", stats)
	}
}

// idleSlots has sessions that were idle for too long, and a clock that says so.
func TestIdleConnectionsAreClosedDownToTheMinimum(t *testing.T) {
	now := time.Now()
	config := &PoolConfig{MinConnections: 2, MaxConnections: 8, MaxIdleTime: time.Minute, ConnectionTimeout: time.Second}
	slots := newSlots(config, func() session { return &remoteSession{} })
	slots.now = func() time.Time { return now }
	var taken []session
	for len(taken) < 6 {
		one, err := slots.acquire(background)
		check(t, err)
		taken = append(taken, one)
	}
	for _, one := range taken {
		slots.release(one)
	}
	now = now.Add(time.Minute + 1)
	if stats := slots.stats(); stats.IdleConnections != 2 || stats.ConnectionsClosed != 4 {
		t.Errorf("%+v", stats)
	}
}

func TestContextsCancelledAtRandomLeakNoConnection(t *testing.T) {
	calls := times(t, "MANTISDB_GO_CALLS", 4_000)
	pool := connect(t, func(config *PoolConfig) {
		config.MinConnections, config.MaxConnections = 0, 8
		if isLocal() {
			config.Location = t.TempDir() // Waits for the disk are cancelled too.
		}
	})
	var workers sync.WaitGroup
	for worker := 0; worker < 32; worker++ {
		workers.Add(1)
		go func(random *rand.Rand) {
			defer workers.Done()
			for call := 0; call < calls/32; call++ {
				ctx, cancel := context.WithTimeout(background, time.Duration(random.Intn(2_000))*time.Microsecond)
				err := pool.With(ctx, func(connection *PooledConnection) error {
					switch random.Intn(4) {
					case 0:
						return connection.Set(ctx, "cancelled", []byte("v"))
					case 1:
						_, err := connection.Begin(ctx, TransactionOptions{})
						return err // Release rolls it back.
					case 2:
						return connection.Update(ctx, func(transaction *Transaction) error {
							return transaction.Set(ctx, "cancelled in a transaction", []byte("v"))
						})
					}
					_, err := connection.Get(ctx, "cancelled")
					return err
				})
				if err != nil && CodeOf(err) == "" && !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				cancel()
			}
		}(rand.New(rand.NewSource(int64(worker))))
	}
	workers.Wait()
	// Rollbacks of released connections may be under way.
	for deadline := time.Now().Add(20 * time.Second); addsUp(t, pool).ActiveConnections > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", addsUp(t, pool))
		}
	}
	if stats := addsUp(t, pool); stats.WaitingRequests != 0 || stats.TotalConnections > 8 {
		t.Errorf("%+v", stats)
	}
	leavesNothingOpen(t, pool)
}

// threads is the number of threads of this process; 0 where the system does not tell.
func threads(t testing.TB) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(status), "\n") {
		if rest := strings.TrimPrefix(line, "Threads:"); rest != line {
			count, err := strconv.Atoi(strings.TrimSpace(rest))
			check(t, err)
			return count
		}
	}
	return 0
}

func TestThousandsOfWaitersNeedFewThreads(t *testing.T) {
	const waiters, connections, threadsMost = 5_000, 10, 16
	pool := connect(t, func(config *PoolConfig) {
		config.MinConnections, config.MaxConnections, config.ConnectionTimeout = 0, connections, time.Minute
	})
	held := make([]*PooledConnection, connections)
	for index := range held {
		held[index] = acquire(t, pool)
	}
	before := threads(t)
	var done sync.WaitGroup
	for waiter := 0; waiter < waiters; waiter++ {
		done.Add(1)
		go func() {
			defer done.Done()
			connection, err := pool.Acquire(background)
			if err != nil {
				t.Error(err)
				return
			}
			connection.Release()
		}()
	}
	for addsUp(t, pool).WaitingRequests < waiters {
		time.Sleep(time.Millisecond)
	}
	if waiting := threads(t); waiting-before > threadsMost {
		t.Errorf("%d threads before, %d while %d goroutines wait", before, waiting, waiters)
	}
	for _, one := range held {
		one.Release()
	}
	done.Wait()
	if stats := addsUp(t, pool); stats.AcquireCount != waiters+connections || stats.ActiveConnections != 0 {
		t.Errorf("%+v", stats)
	}
}

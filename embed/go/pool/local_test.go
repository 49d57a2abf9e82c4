//go:build cgo && !mantisdb_remote

package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// open makes a pool of a database in this process.
func open(t testing.TB, location string, change func(*PoolConfig)) *ConnectionPool {
	t.Helper()
	t.Setenv("MANTISDB_URL", "")
	config := DefaultPoolConfig()
	config.Location = location
	if change != nil {
		change(config)
	}
	pool, err := NewConnectionPool(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	return pool
}

func TestALocalDatabaseKeepsWhatWasWritten(t *testing.T) {
	directory := t.TempDir()
	pool := open(t, directory, nil)
	connection := acquire(t, pool)
	written, err := connection.keys().Set(background, "k", []byte("v"))
	check(t, err)
	if !written.Durable {
		t.Errorf("%+v", written)
	}
	_, err = NewConnectionPool(&PoolConfig{Location: directory})
	if CodeOf(err) != "in-use" {
		t.Error(err)
	}
	connection.Release()
	check(t, pool.Close())
	pool = open(t, directory, nil)
	value, err := acquire(t, pool).Get(background, "k")
	check(t, err)
	if string(value) != "v" {
		t.Errorf("%q", value)
	}
}

func TestALocalPoolEndsAfterItsLastConnection(t *testing.T) {
	pool := open(t, "", nil)
	connection := acquire(t, pool)
	check(t, pool.Close())
	check(t, connection.Set(background, "k", []byte("v")))
	_, err := pool.Acquire(background)
	wants(t, err, ErrPoolClosed)
	connection.Release()
	_, err = pool.Acquire(background)
	wants(t, err, ErrPoolClosed)
}

func TestAReadAllocatesTwice(t *testing.T) {
	connection := acquire(t, open(t, "", nil))
	check(t, connection.Set(background, "k", []byte("value")))
	allocations := testing.AllocsPerRun(100, func() {
		if _, err := connection.Get(background, "k"); err != nil {
			t.Error(err)
		}
	})
	if allocations > 2 {
		t.Errorf("%v allocations", allocations)
	}
}

func BenchmarkLocal(b *testing.B) {
	pool := open(b, "", func(config *PoolConfig) { config.MinConnections = 1 })
	connection := acquire(b, pool)
	keys := make([]string, 100)
	for index := range keys {
		keys[index] = fmt.Sprintf("key-%04d", index)
		check(b, connection.Set(background, keys[index], make([]byte, 64)))
	}
	b.Run("Get", func(b *testing.B) {
		b.ReportAllocs()
		for turn := 0; turn < b.N; turn++ {
			if _, err := connection.Get(background, "key-0001"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("GetMany100", func(b *testing.B) {
		b.ReportAllocs()
		for turn := 0; turn < b.N; turn++ {
			if _, err := connection.GetMany(background, keys...); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("AcquireRelease", func(b *testing.B) {
		b.ReportAllocs()
		for turn := 0; turn < b.N; turn++ {
			one, err := pool.Acquire(background)
			if err != nil {
				b.Fatal(err)
			}
			one.Release()
		}
	})
}

func TestALocalFeedShowsCommits(t *testing.T) {
	pool := open(t, "", nil)
	feed := pool.Changes(background, ChangesOptions{Bucket: DefaultBucket})
	defer feed.Close()
	select {
	case <-feed.Ready():
	case <-time.After(patience):
		t.Fatal(feed.Err())
	}
	check(t, acquire(t, pool).Set(background, "k", []byte("v")))
	if change := next(t, feed); change.Key != "k" || string(change.Value) != "v" {
		t.Errorf("%+v", change)
	}
}

func TestAKilledProgramKeepsItsLocalDatabase(t *testing.T) {
	for kill := 0; kill < times(t, "MANTISDB_GO_KILLS", 3); kill++ {
		directory := t.TempDir()
		hasAll(t, directory, killWhileItWrites(t, directory, 500))
	}
}

// The library's directory is as long as a path may be, so that it cannot make the file in it.
func TestALocalBackupSaysWhyTheLibraryFailed(t *testing.T) {
	const pathMost, nameMost, ofTemporary = 4095, 200, len("/mantisdb-backup") + 10
	directory := t.TempDir()
	for rest := pathMost - ofTemporary - len(directory); rest > 1; rest = pathMost - ofTemporary - len(directory) {
		name := rest - 1
		if rest > 2*nameMost {
			name = nameMost
		} else if rest > nameMost {
			name = rest / 2
		}
		directory += "/" + strings.Repeat("d", name)
	}
	check(t, os.MkdirAll(directory, 0o700))
	pool := open(t, "", nil)
	t.Setenv("TMPDIR", directory)
	var ours *Error
	err := pool.Backup(background, io.Discard)
	if !errors.As(err, &ours) || ours.Code != "io" || !strings.HasPrefix(ours.Message, "cannot write /") {
		t.Errorf("%#v", err)
	}
}

// A pool that the library does not know.
func TestErrorsOutsideOfConnectionsAreTheLibrarys(t *testing.T) {
	unknown := &local{}
	_, ofStats := unknown.stats()
	wait := &settleWait{woken: make(chan struct{}, 1)}
	for _, err := range []error{ofStats, unknown.settling.await(background, unknown, wait)} {
		var ours *Error
		if !errors.As(err, &ours) || ours.Code != "stale-handle" || !strings.HasPrefix(ours.Message, "this is no pool") {
			t.Errorf("%#v", err)
		}
	}
}

func TestTheQuickstartRunsInMemory(t *testing.T) {
	command := exec.Command("go", "run", "../examples/quickstart")
	command.Env = append(os.Environ(), "CGO_ENABLED=1", "MANTISDB_URL=")
	shown, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(shown), "Ann; active: 1, ") {
		t.Errorf("%v: %s", err, shown)
	}
}

// A context that ends while the commit waits for the disk leaves its outcome open, and says which context's end it was.
func TestALocalCommitCancelledDuringTheDiskWaitIsOfUnknownOutcome(t *testing.T) {
	connection := acquire(t, open(t, t.TempDir(), nil))
	var unknown, known string
	for turn, deadline := 0, time.Now().Add(patience); unknown == "" || known == ""; turn++ {
		if time.Now().After(deadline) {
			t.Fatalf("after %d writes: unknown %q, known %q", turn, unknown, known)
		}
		// Longer and longer: 0 to 200 us, and up to 20 ms where the disk is slow.
		ctx, cancel := context.WithTimeout(background, time.Duration(turn%201)*time.Microsecond*time.Duration(1+turn/2_010%100))
		key := fmt.Sprintf("k%d", turn)
		switch err := connection.Set(ctx, key, []byte(key)); {
		case err == nil:
			known = key
		case errors.Is(err, ErrOutcomeUnknown):
			wants(t, err, ctx.Err())
			wants(t, err, context.DeadlineExceeded)
			unknown = key
		default:
			wants(t, err, context.DeadlineExceeded) // Before it began: it did nothing.
			_, err := connection.Get(background, key)
			wants(t, err, ErrNotFound)
		}
		cancel()
	}
	// The wait was given up, not the commit.
	check(t, connection.Set(background, "later", nil))
	for _, key := range []string{unknown, known} {
		value, err := connection.Get(background, key)
		check(t, err)
		if string(value) != key {
			t.Errorf("%s: %q", key, value)
		}
	}
}

func TestReadingManyAllocatesNothingForEachKey(t *testing.T) {
	connection := acquire(t, open(t, "", nil))
	allocations := func(count int) float64 {
		keys := make([]string, count)
		for index := range keys {
			keys[index] = fmt.Sprintf("key-%04d", index)
			check(t, connection.Set(background, keys[index], []byte("value")))
		}
		return testing.AllocsPerRun(100, func() {
			if _, err := connection.GetMany(background, keys...); err != nil {
				t.Error(err)
			}
		})
	}
	if few, many := allocations(10), allocations(100); few != many {
		t.Errorf("%v allocations for 10 keys, %v for 100", few, many)
	}
}

package pool

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"
)

// A server in a process of its own, shared by all tests: they use keys, buckets and tables of different names.
var (
	sharedServer sync.Once
	sharedURL    string
	stopServer   = func() {}
)

// TestMain stops the server at the end. In a process that TestAKilledProgram starts it writes.
func TestMain(m *testing.M) {
	if location := os.Getenv("MANTISDB_GO_WRITE_TO"); location != "" {
		writeUntilKilled(location)
	}
	code := m.Run()
	stopServer()
	os.Exit(code)
}

func serverURL(t testing.TB) string {
	sharedServer.Do(func() {
		command, url := startServer(t, "--memory")
		sharedURL, stopServer = url, func() {
			_ = command.Process.Kill()
			_ = command.Wait()
		}
	})
	if sharedURL == "" {
		t.Fatal("the server did not start")
	}
	return sharedURL
}

// serverBinary is MANTISDB_BINARY, or what cargo builds in this repository.
func serverBinary(t testing.TB) string {
	if binary := os.Getenv("MANTISDB_BINARY"); binary != "" {
		return binary
	}
	binary, err := filepath.Abs("../../../target/debug/mantisdb")
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

var listens = regexp.MustCompile(`http://[0-9.:]+`)

// startServer starts a server on a free port.
func startServer(t testing.TB, arguments ...string) (*exec.Cmd, string) {
	t.Helper()
	return startServerAt(t, "127.0.0.1:0", arguments...)
}

func startServerAt(t testing.TB, address string, arguments ...string) (*exec.Cmd, string) {
	t.Helper()
	command := exec.Command(serverBinary(t), append([]string{"serve", "--listen", address}, arguments...)...)
	output, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	command.Stdout = command.Stderr
	if err := command.Start(); err != nil {
		t.Fatalf("%v: set MANTISDB_BINARY, or build it with cargo build", err)
	}
	found := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if url := listens.FindString(lines.Text()); url != "" {
				select {
				case found <- url:
				default:
				}
			}
		}
		close(found)
	}()
	select {
	case url := <-found:
		return command, url
	case <-time.After(30 * time.Second):
		_ = command.Process.Kill()
		t.Fatal("the server does not say where it listens")
		return nil, ""
	}
}

func isLocal() bool { return os.Getenv("MANTISDB_GO_TRANSPORT") == "local" }

// connect makes a pool of the shared server, or of a database in memory with MANTISDB_GO_TRANSPORT=local: the tests of
// the interface run on both.
func connect(t testing.TB, change func(*PoolConfig)) *ConnectionPool {
	t.Helper()
	config := DefaultPoolConfig()
	if isLocal() {
		config.Location = ":memory:"
	} else {
		config.Location = serverURL(t)
	}
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

// leavesNothingOpen fails unless the server soon has no transaction, long before it would roll back idle ones.
func leavesNothingOpen(t testing.TB, pool *ConnectionPool) {
	t.Helper()
	server, is := pool.transport.(*remote)
	if !is {
		return
	}
	var stats struct {
		HTTP struct {
			Open *int `json:"transactions_open"`
		}
	}
	for deadline := time.Now().Add(patience); stats.HTTP.Open == nil || *stats.HTTP.Open > 0; time.Sleep(time.Millisecond) {
		answered, err := server.send(background, request{method: http.MethodGet, path: "/stats"})
		check(t, err)
		check(t, answered.decode(&stats))
		if stats.HTTP.Open == nil || time.Now().After(deadline) {
			t.Fatalf("transactions are open: %s", answered.body)
		}
	}
}

func acquire(t testing.TB, pool *ConnectionPool) *PooledConnection {
	t.Helper()
	connection, err := pool.Acquire(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(connection.Release)
	return connection
}

var names struct {
	sync.Mutex
	next int
}

// bucketOf is a bucket that no other test uses.
func bucketOf(connection *PooledConnection) *Bucket {
	names.Lock()
	defer names.Unlock()
	names.next++
	return connection.Bucket(fmt.Sprintf("test-%d", names.next))
}

package pool

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"os/exec"
	"sync"
	"testing"
)

const writers = 16

// writeUntilKilled writes from several goroutines, and prints each key once its write was acknowledged.
func writeUntilKilled(location string) {
	pool, err := NewConnectionPool(&PoolConfig{Location: location})
	if err != nil {
		log.Fatal(err)
	}
	var printing sync.Mutex
	for writer := 0; writer < writers; writer++ {
		go func(writer int) {
			connection, err := pool.Acquire(background)
			for number := 0; err == nil; number++ {
				key := fmt.Sprintf("%d-%d", writer, number)
				if err = connection.Set(background, key, []byte(key)); err == nil {
					printing.Lock()
					fmt.Println(key)
					printing.Unlock()
				}
			}
			log.Fatal(err)
		}(writer)
	}
	select {}
}

// killWhileItWrites returns the keys that a program had acknowledged when it was killed.
func killWhileItWrites(t *testing.T, location string, acknowledgements int) []string {
	t.Helper()
	program, err := os.Executable()
	check(t, err)
	command := exec.Command(program)
	command.Env = append(os.Environ(), "MANTISDB_GO_WRITE_TO="+location)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	check(t, err)
	check(t, command.Start())
	var keys []string
	for lines := bufio.NewScanner(output); lines.Scan(); {
		keys = append(keys, lines.Text())
		if len(keys) == acknowledgements {
			check(t, command.Process.Kill()) // The rest of what it has printed is still read.
		}
	}
	_ = command.Wait()
	if len(keys) < acknowledgements {
		t.Fatalf("the program ended after %d writes", len(keys))
	}
	return keys
}

func hasAll(t *testing.T, location string, keys []string) {
	t.Helper()
	pool, err := NewConnectionPool(&PoolConfig{Location: location})
	check(t, err)
	defer pool.Close()
	check(t, pool.With(background, func(connection *PooledConnection) error {
		for _, key := range keys {
			if value, err := connection.Get(background, key); err != nil || string(value) != key {
				return fmt.Errorf("%s was acknowledged: %q, %v", key, value, err)
			}
		}
		return nil
	}))
}

func TestAKilledProgramHasWrittenWhatWasAcknowledged(t *testing.T) {
	for kill := 0; kill < times(t, "MANTISDB_GO_KILLS", 2); kill++ {
		directory := t.TempDir()
		server, url := startServer(t, "--data", directory)
		keys := killWhileItWrites(t, url, 500)
		// The server is killed too, so that what is found was on the disk.
		check(t, server.Process.Kill())
		_ = server.Wait()
		server, url = startServer(t, "--data", directory)
		hasAll(t, url, keys)
		check(t, server.Process.Kill())
		_ = server.Wait()
	}
}

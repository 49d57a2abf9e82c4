package pool

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestABackupCanBeRestored(t *testing.T) {
	pool := connect(t, nil)
	bucket := bucketOf(acquire(t, pool))
	_, err := bucket.Set(background, "kept", []byte("v"))
	check(t, err)
	var backup bytes.Buffer
	check(t, pool.Backup(background, &backup))
	_, err = bucket.Set(background, "later", []byte("v"))
	check(t, err)

	file, directory := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "restored")
	check(t, os.WriteFile(file, backup.Bytes(), 0o600))
	shown, err := exec.Command(serverBinary(t), "restore", "--data", directory, file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, shown)
	}
	server, url := startServer(t, "--data", directory)
	defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
	restored, err := NewConnectionPool(&PoolConfig{Location: url})
	check(t, err)
	defer restored.Close()
	values, err := acquire(t, restored).Bucket(bucket.Name()).GetMany(background, "kept", "later")
	check(t, err)
	if string(values[0]) != "v" || values[1] != nil {
		t.Errorf("%q", values)
	}
}

// endsAfterOne ends the context with the first part.
type endsAfterOne struct {
	end   context.CancelFunc
	parts int
}

func (writing *endsAfterOne) Write(data []byte) (int, error) {
	writing.parts++
	writing.end()
	return len(data), nil
}

func TestABackupEndsWithItsContext(t *testing.T) {
	pool := connect(t, nil)
	bucket := bucketOf(acquire(t, pool))
	for _, key := range []string{"a", "b", "c", "d"} {
		_, err := bucket.Set(background, key, make([]byte, 4<<20)) // More than buffers on the way hold.
		check(t, err)
	}
	ctx, end := context.WithCancel(background)
	defer end()
	during := &endsAfterOne{end: end}
	wants(t, pool.Backup(ctx, during), context.Canceled)
	before := &endsAfterOne{end: end}
	wants(t, pool.Backup(ctx, before), context.Canceled)
	if during.parts == 0 || before.parts != 0 {
		t.Errorf("%d parts, and %d of one that had ended before", during.parts, before.parts)
	}
}

func TestABackupSaysThatItsWriterFailed(t *testing.T) {
	pool := connect(t, nil)
	check(t, acquire(t, pool).Set(background, "k", nil))
	reader, writer := io.Pipe()
	failure := errors.New("the tape is full")
	check(t, reader.CloseWithError(failure))
	err := pool.Backup(background, writer)
	wants(t, err, failure)
	if errors.Is(err, ErrUnreachable) {
		t.Error(err)
	}
}

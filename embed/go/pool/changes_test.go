package pool

import (
	"context"
	"encoding/json"
	"testing"
	"time"
)

const patience = 20 * time.Second

// next takes a change from a feed.
func next(t testing.TB, feed *Feed) Change {
	t.Helper()
	select {
	case change, isOpen := <-feed.C:
		if !isOpen {
			t.Fatalf("the feed ended: %v", feed.Err())
		}
		return change
	case <-time.After(patience):
		t.Fatal("no change came")
		return Change{}
	}
}

func TestAFeedShowsWhatIsCommittedAfterItIsReady(t *testing.T) {
	pool := connect(t, nil)
	bucket := bucketOf(acquire(t, pool))
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	feed := pool.Changes(ctx, ChangesOptions{Bucket: bucket.Name(), Prefix: "k"})
	select {
	case <-feed.Ready():
	case <-time.After(patience):
		t.Fatal(feed.Err())
	}
	_, err := bucket.Set(background, "other", []byte("v"))
	check(t, err)
	written, err := bucket.Set(background, "k\xff", []byte("v"))
	check(t, err)
	_, err = bucket.Delete(background, "k\xff")
	check(t, err)
	put, deleted := next(t, feed), next(t, feed)
	for _, change := range []Change{put, deleted} {
		if age := time.Since(change.Time); age < -time.Hour || age > time.Hour {
			t.Errorf("committed at %v", change.Time)
		}
	}
	if put.Kind != "put" || put.Key != "k\xff" || string(put.Value) != "v" || put.Version != written.Version {
		t.Errorf("%+v", put)
	}
	if deleted.Kind != "delete" || deleted.PreviousVersion != written.Version {
		t.Errorf("%+v", deleted)
	}
	again := pool.Changes(ctx, ChangesOptions{Bucket: bucket.Name(), Prefix: "k", Since: put.Cursor})
	if change := next(t, again); change.Version != deleted.Version {
		t.Errorf("%+v", change)
	}
	cancel()
	for range feed.C {
	}
	check(t, feed.Err())
}

func TestAFeedOfRowsAndKeysShowsTheirTimes(t *testing.T) {
	pool := connect(t, nil)
	connection := acquire(t, pool)
	_, err := connection.CreateTable(background, "timed", Rows(`{"columns": [{"name": "id", "type": "bigint"}]}`))
	check(t, err)
	bucket := bucketOf(connection)
	feed := pool.Changes(background)
	defer feed.Close()
	<-feed.Ready()
	_, err = bucket.SetWith(background, "k", []byte("v"), SetOptions{TTL: time.Hour, MediaType: "text/x-note"})
	check(t, err)
	_, err = connection.Table("timed").Insert(background, []map[string]any{{"id": 1}}, WriteOptions{})
	check(t, err)
	key, row := next(t, feed), next(t, feed)
	if key.Kind != "put" || key.MediaType != "text/x-note" || key.ExpiresAt.Sub(key.Time) != time.Hour {
		t.Errorf("%+v", key)
	}
	for _, change := range []Change{key, row} {
		if age := time.Since(change.Time); age < -time.Hour || age > time.Hour {
			t.Errorf("%s at %v", change.Kind, change.Time)
		}
	}
}

// What the library shows of changes has numbers where the server's JSON has texts.
func TestTimesAreReadInBothForms(t *testing.T) {
	want := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	for _, text := range []string{
		`{"kind": "put", "bucket": "b", "key": "k", "time": "2026-01-02T03:04:05.006Z", "expires_at": "2026-01-02T03:04:05.006Z"}`,
		`{"kind": "put", "bucket": "b", "key": "k", "time_ms": 1767323045006, "expires_at_ms": 1767323045006}`,
	} {
		var form jsonChange
		check(t, json.Unmarshal([]byte(text), &form))
		change, err := form.change()
		check(t, err)
		if !change.Time.Equal(want) || !change.ExpiresAt.Equal(want) {
			t.Errorf("%s: %v, %v", text, change.Time, change.ExpiresAt)
		}
	}
}

func TestAFeedSaysWhyItEnds(t *testing.T) {
	pool := connect(t, nil)
	for code, options := range map[string]ChangesOptions{
		"cursor-invalid":   {Since: "no cursor"},
		"PGRST205":         {Table: "nowhere"},
		"argument-invalid": {Table: "t", Bucket: "b"},
	} {
		feed := pool.Changes(background, options)
		for range feed.C {
		}
		if CodeOf(feed.Err()) != code {
			t.Errorf("%s: %v", code, feed.Err())
		}
	}
}

func TestClosingThePoolEndsFeeds(t *testing.T) {
	// Wherever the feed is when the pool ends: reading, or about to wait.
	for turn := 0; turn < 50; turn++ {
		pool := connect(t, nil)
		feed := pool.Changes(background)
		<-feed.Ready()
		check(t, pool.Close())
		for range feed.C {
		}
		check(t, feed.Err())
	}
}

// A server that is killed and comes back on the same port shows no change twice, and leaves none out.
func TestAFeedGoesOnAfterItsServerCameBack(t *testing.T) {
	directory := t.TempDir()
	server, url := startServer(t, "--data", directory)
	defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
	pool, err := NewConnectionPool(&PoolConfig{Location: url})
	check(t, err)
	defer pool.Close()
	feed := pool.Changes(background, ChangesOptions{Since: Earliest})
	connection := acquire(t, pool)
	check(t, connection.Set(background, "before", nil))
	if change := next(t, feed); change.Key != "before" {
		t.Errorf("%+v", change)
	}
	check(t, server.Process.Kill())
	_ = server.Wait()
	server, _ = startServerAt(t, url[len("http://"):], "--data", directory)
	check(t, connection.Set(background, "after", nil))
	if change := next(t, feed); change.Key != "after" {
		t.Errorf("%+v", change)
	}
}

package pool

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"
)

// Where a feed begins, in place of a cursor.
const (
	// Now is the default: what is committed from now on.
	Now = "now"
	// Earliest begins with the oldest change that is kept.
	Earliest = "earliest"
)

// ChangesOptions say what a feed shows. The zero value shows all keys and rows from now on.
type ChangesOptions struct {
	// Since is Now, Earliest or the cursor of a change, after which the feed continues.
	Since string
	// Bucket shows only keys of this bucket, Prefix only keys that begin so.
	Bucket, Prefix string
	// Table shows only this table's rows and definition, Filter only rows that had or have what it asks for, and Select
	// only those columns.
	Table, Filter, Select string
}

// Change is what a commit did to one key, one row or one table's definition.
type Change struct {
	// Kind is put or delete for a key; insert, update or delete for a row; create, alter or drop for a definition.
	Kind string
	// Bucket, Key, Value, MediaType and ExpiresAt are those of a key. An expired key shows as deleted.
	Bucket, Key string
	Value       []byte
	MediaType   string
	ExpiresAt   time.Time
	// Table is that of a row or definition, SchemaVersion the number of the definition by which it is shown.
	Table         string
	SchemaVersion uint64
	// RowKey is the row's primary key as a JSON object, Row the row after the change, Old the one before it where the
	// table keeps that; nil where there is none.
	RowKey, Row, Old json.RawMessage
	// MatchedOld and MatchesNew tell whether the filter selects the row before and after; MatchedOld is nil where that
	// is not known.
	MatchedOld *bool
	MatchesNew bool
	// Schema is the definition after the change, as JSON; nil where it is gone.
	Schema json.RawMessage
	// Version is the commit, PreviousVersion the one that it replaced, 0 where there was none.
	Version, PreviousVersion uint64
	// Time of the commit. Zero in a feed of a local database that shows rows, if its library does not tell it.
	Time time.Time
	// Cursor continues after this change.
	Cursor string
}

// Feed is changes in the order of their commits.
type Feed struct {
	// C has the changes. It is closed when the context or the pool ends, and after an error.
	C <-chan Change

	ready chan struct{}
	lock  sync.Mutex
	err   error
	stop  context.CancelFunc
}

// Changes follows what is committed. At most one ChangesOptions may be given. A connection to a server that breaks is
// made again, after the last change that was shown. Whoever stops reading before the channel is closed ends the context
// or calls Close.
//
//	feed := p.Changes(ctx)
//	for change := range feed.C {
//		fmt.Println(change.Kind, change.Key)
//	}
//	err := feed.Err()
func (pool *ConnectionPool) Changes(ctx context.Context, options ...ChangesOptions) *Feed {
	ctx, stop := context.WithCancel(ctx)
	changes := make(chan Change)
	feed := &Feed{C: changes, ready: make(chan struct{}), stop: stop}
	var asked ChangesOptions
	if len(options) > 0 {
		asked = options[0]
	}
	go func() {
		select {
		case <-pool.closed:
			stop()
		case <-ctx.Done():
		}
	}()
	go func() {
		defer close(changes)
		defer stop()
		err := asked.check()
		if err == nil && len(options) > 1 {
			err = invalid("Changes takes at most one ChangesOptions")
		}
		if err == nil {
			var once sync.Once
			err = pool.transport.follow(ctx, asked, watcher{
				ready: func() { once.Do(func() { close(feed.ready) }) },
				show: func(change Change) bool {
					select {
					case changes <- change:
						return true
					case <-ctx.Done():
						return false
					}
				},
			})
		}
		feed.lock.Lock()
		defer feed.lock.Unlock()
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			feed.err = err
		}
	}()
	return feed
}

func (options ChangesOptions) check() error {
	if options.Table != "" && (options.Bucket != "" || options.Prefix != "") {
		return invalid("a feed is of a table, or of keys")
	}
	if options.Table == "" && (options.Filter != "" || options.Select != "") {
		return invalid("a filter and a select belong to a table")
	}
	return nil
}

// Ready is closed when the feed is connected: later commits will be shown. After an error it is not closed.
func (feed *Feed) Ready() <-chan struct{} { return feed.ready }

// Err returns the error that closed the channel; nil while it is open, and after the end of the context or of the pool.
func (feed *Feed) Err() error {
	feed.lock.Lock()
	defer feed.lock.Unlock()
	return feed.err
}

// Close ends the feed. The channel is closed soon after.
func (feed *Feed) Close() { feed.stop() }

package pool

import (
	"strconv"
	"time"
)

// DefaultBucket is the bucket of the connection's own methods.
const DefaultBucket = "default"

// Written is the outcome of a write.
type Written struct {
	// Version is the commit, the last of several, or the newest one if nothing was written. 0 in an open transaction.
	Version uint64
	// Durable tells whether the commit is certain to survive a power cut. False in an open transaction.
	Durable bool
}

// Deleted is the outcome of the deletion of one key.
type Deleted struct {
	Written
	// Existed tells whether the key had a value.
	Existed bool
}

// DeletedKeys is the outcome of the deletion of several keys.
type DeletedKeys struct {
	Written
	// Keys is their number.
	Keys uint64
}

// Counted is the outcome of an increment.
type Counted struct {
	Written
	// Number is the sum.
	Number int64
}

// Entry is a key, its value, and what is known of the value.
type Entry struct {
	// Key and Value are bytes, which need not be UTF-8.
	Key   string
	Value []byte
	// MediaType is "application/octet-stream" unless the writer named another.
	MediaType string
	// Version is the commit that wrote the value; 0 if the open transaction did.
	Version uint64
	// ModifiedAt is the time of that commit, in milliseconds.
	ModifiedAt time.Time
	// ExpiresAt is the time from which the value is no longer found; zero if it does not expire.
	ExpiresAt time.Time
}

// Condition must hold for a write to happen. The zero value always does. A key that has expired is absent.
type Condition struct {
	kind    conditionKind
	version uint64
}

type conditionKind uint8

const (
	anything conditionKind = iota
	absent
	present
	atVersion
)

// IfAbsent holds if the key has no value.
func IfAbsent() Condition { return Condition{kind: absent} }

// IfPresent holds if the key has a value.
func IfPresent() Condition { return Condition{kind: present} }

// IfVersion holds if the key's value was written by this commit.
func IfVersion(version uint64) Condition { return Condition{kind: atVersion, version: version} }

// SetOptions say how a value is stored.
type SetOptions struct {
	// MediaType is 1 to 255 visible ASCII characters and spaces. Default: "application/octet-stream".
	MediaType string
	// TTL is the time to live, in whole milliseconds up to 100 years. 0 keeps the value until it is deleted.
	TTL time.Duration
	// If is the condition on the key.
	If Condition
}

// ttlMS returns whole milliseconds, so that a shorter time is an error instead of no limit.
func (options SetOptions) ttlMS() (int64, error) {
	if options.TTL == 0 {
		return 0, nil
	}
	ms := options.TTL.Milliseconds()
	if ms < 1 {
		return 0, newError("ttl-invalid", "A time to live is at least 1 ms and at most 100 years.")
	}
	return ms, nil
}

// Span is a range of keys: those with the prefix, or those from Start up to, not including, End. Empty fields are no
// bounds, so that the zero value is all keys. A prefix excludes the others.
type Span struct {
	// Prefix is that of all keys; Start is the first one, and End the first one after them.
	Prefix, Start, End string
}

func (span Span) check() error {
	if span.Prefix != "" && (span.Start != "" || span.End != "") {
		return invalid("a span has a prefix, or a start and an end")
	}
	return nil
}

// ScanOptions say what a scan shows.
type ScanOptions struct {
	Span
	// Reverse begins with the largest key.
	Reverse bool
	// Limit is the number of entries of a page, 1 to 1,000. Default: 100.
	Limit int
	// Cursor continues after the page that had it, with the same span and direction.
	Cursor string
	// KeysOnly leaves the values out.
	KeysOnly bool
}

const pageDefault = 100

const pageLargest = 1_000

func (options ScanOptions) check() error {
	if options.Limit < 0 || options.Limit > pageLargest {
		return newError("limit-out-of-range", "A page has at least 1 entry, and no more than the limit.")
	}
	return options.Span.check()
}

func (options ScanOptions) limit() string {
	if options.Limit == 0 {
		return strconv.Itoa(pageDefault)
	}
	return strconv.Itoa(options.Limit)
}

// Page is a part of a scan. A page is also limited to about 1 MiB: go on as long as there is a cursor.
type Page struct {
	// Entries in order; with KeysOnly just their keys are set.
	Entries []Entry
	// Cursor continues the scan; empty at its end.
	Cursor string
}

// BucketInfo is a bucket with its size.
type BucketInfo struct {
	// Name is the bucket's name.
	Name string
	// Keys counts expired keys until they are removed, within about a second.
	Keys uint64
	// Bytes of keys and values, as stored.
	Bytes uint64
}

// TransactionOptions say how a transaction is isolated.
type TransactionOptions struct {
	// Snapshot checks only the keys that are written for conflicts, not those that are read.
	Snapshot bool
}

package pool

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"
)

var background = context.Background()

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wants fails unless an error is of a kind.
func wants(t testing.TB, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("%v, where %v was expected", err, kind)
	}
}

func TestEveryKeyReachesItsValue(t *testing.T) {
	bucket := bucketOf(acquire(t, connect(t, nil)))
	keys := []string{"a", "a/b", "..", ".", "a/../b", "\x00", "%2F", "ü?#&+ =", "/", "//", "a/increment", "\xff\xfe"}
	for _, key := range keys {
		_, err := bucket.Set(background, key, []byte("value of "+key))
		check(t, err)
	}
	for _, key := range keys {
		value, err := bucket.Get(background, key)
		check(t, err)
		if string(value) != "value of "+key {
			t.Errorf("%q: %q", key, value)
		}
		deleted, err := bucket.Delete(background, key)
		check(t, err)
		if !deleted.Existed {
			t.Errorf("%q was not there", key)
		}
		_, err = bucket.Get(background, key)
		wants(t, err, ErrNotFound)
	}
}

func TestConditionsRefuseAndTellWhatIsThere(t *testing.T) {
	bucket := bucketOf(acquire(t, connect(t, nil)))
	first, err := bucket.SetWith(background, "k", []byte("1"), SetOptions{If: IfAbsent()})
	check(t, err)
	_, err = bucket.SetWith(background, "k", []byte("2"), SetOptions{If: IfAbsent()})
	wants(t, err, ErrRefused)
	var refused *Error
	if !errors.As(err, &refused) || refused.Refusals[0].Version != first.Version || !refused.Refusals[0].Exists {
		t.Fatalf("%+v", refused)
	}
	_, err = bucket.SetWith(background, "k", []byte("2"), SetOptions{If: IfVersion(first.Version)})
	check(t, err)
	_, err = bucket.DeleteIf(background, "k", IfVersion(first.Version))
	wants(t, err, ErrRefused)
	_, err = bucket.Apply(background, OpSet("other", nil), OpCheck("k", IfAbsent()))
	wants(t, err, ErrRefused)
	if !errors.As(err, &refused) || refused.Refusals[0].Index != 1 {
		t.Fatalf("%+v", refused)
	}
	_, err = bucket.Get(background, "other")
	wants(t, err, ErrNotFound)
}

func TestEntriesHaveTheirMetadata(t *testing.T) {
	bucket := bucketOf(acquire(t, connect(t, nil)))
	before := time.Now().Add(-time.Second)
	options := SetOptions{MediaType: `text/plain; charset="utf-8"`, TTL: time.Hour}
	written, err := bucket.SetWith(background, "k", []byte("v"), options)
	check(t, err)
	entry, err := bucket.GetEntry(background, "k")
	check(t, err)
	if entry.MediaType != options.MediaType || entry.Version != written.Version || entry.Key != "k" {
		t.Errorf("%+v", entry)
	}
	// The time to live begins when the write comes, and the commit follows.
	expiry := entry.ExpiresAt
	if entry.ModifiedAt.Before(before) || expiry.Before(before.Add(time.Hour)) || expiry.After(entry.ModifiedAt.Add(time.Hour)) {
		t.Errorf("%+v", entry)
	}
	_, err = bucket.SetWith(background, "k", nil, SetOptions{TTL: time.Microsecond})
	if CodeOf(err) != "ttl-invalid" {
		t.Error(err)
	}
}

func TestScansAndCounts(t *testing.T) {
	bucket := bucketOf(acquire(t, connect(t, nil)))
	var operations []Operation
	for number := 0; number < 250; number++ {
		operations = append(operations, OpSet(string(rune('a'+number/100))+text(uint64(100+number%100)), []byte("v")))
	}
	_, err := bucket.Apply(background, operations...)
	check(t, err)
	scanner, seen, last := bucket.Scan(background, ScanOptions{Span: Span{Start: "a150", End: "c"}, Limit: 7}), 0, ""
	for scanner.Next() {
		entry := scanner.Entry()
		if entry.Key <= last || !bytes.Equal(entry.Value, []byte("v")) {
			t.Fatalf("%+v after %q", entry, last)
		}
		seen, last = seen+1, entry.Key
	}
	check(t, scanner.Err())
	if seen != 150 {
		t.Error(seen)
	}
	scanner = bucket.Scan(background, ScanOptions{Span: Span{Prefix: "b"}, Reverse: true, KeysOnly: true})
	if !scanner.Next() || scanner.Entry().Key != "b199" {
		t.Error(scanner.Err())
	}
	count, err := bucket.Count(background, Span{Prefix: "c"})
	check(t, err)
	if count != 50 {
		t.Error(count)
	}
	deleted, err := bucket.DeleteSpan(background, Span{Start: "a", End: "b"})
	check(t, err)
	if deleted.Keys != 100 {
		t.Errorf("%+v", deleted)
	}
	values, err := bucket.GetMany(background, "a100", "b100", "c100")
	check(t, err)
	if values[0] != nil || string(values[1]) != "v" || string(values[2]) != "v" {
		t.Error(values)
	}
}

func TestNumbersKeepAllDigits(t *testing.T) {
	bucket := bucketOf(acquire(t, connect(t, nil)))
	counted, err := bucket.Increment(background, "n", 9_007_199_254_740_993)
	check(t, err)
	if counted.Number != 9_007_199_254_740_993 {
		t.Error(counted.Number)
	}
	_, err = bucket.Increment(background, "n", 9_223_372_036_854_775_807)
	if CodeOf(err) != "integer-overflow" {
		t.Error(err)
	}
}

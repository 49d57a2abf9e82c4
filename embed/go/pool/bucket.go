package pool

import "context"

// Bucket is the keys and values of one bucket, on a connection or in a transaction. Outside of a transaction each call
// is atomic by itself.
type Bucket struct {
	name  string
	scope scope
}

// Name returns the bucket's name.
func (bucket *Bucket) Name() string { return bucket.name }

// Get returns the value of a key: ErrNotFound if it does not exist or has expired.
func (bucket *Bucket) Get(ctx context.Context, key string) ([]byte, error) {
	return within(bucket.scope, func(session session) ([]byte, error) { return session.get(ctx, bucket.name, key) })
}

// GetEntry returns a key's value with what is known of it.
func (bucket *Bucket) GetEntry(ctx context.Context, key string) (Entry, error) {
	return within(bucket.scope, func(session session) (Entry, error) {
		return session.getEntry(ctx, bucket.name, key)
	})
}

// GetMany returns the values of up to 1,000 keys in one snapshot, in their order; nil for those that do not exist.
func (bucket *Bucket) GetMany(ctx context.Context, keys ...string) ([][]byte, error) {
	return within(bucket.scope, func(session session) ([][]byte, error) {
		return session.getMany(ctx, bucket.name, keys)
	})
}

// Set stores a value under a key, whatever was there.
func (bucket *Bucket) Set(ctx context.Context, key string, value []byte) (Written, error) {
	return bucket.SetWith(ctx, key, value, SetOptions{})
}

// SetWith stores a value with a media type and a time to live, if a condition holds: else ErrRefused.
func (bucket *Bucket) SetWith(ctx context.Context, key string, value []byte, options SetOptions) (Written, error) {
	return within(bucket.scope, func(session session) (Written, error) {
		return session.set(ctx, bucket.name, key, value, options)
	})
}

// Delete removes a key, and tells whether it was there.
func (bucket *Bucket) Delete(ctx context.Context, key string) (Deleted, error) {
	return bucket.DeleteIf(ctx, key, Condition{})
}

// DeleteIf removes a key if a condition holds: else ErrRefused.
func (bucket *Bucket) DeleteIf(ctx context.Context, key string, condition Condition) (Deleted, error) {
	return within(bucket.scope, func(session session) (Deleted, error) {
		return session.remove(ctx, bucket.name, key, condition)
	})
}

// Increment adds to a decimal integer of 64 bits that is stored as text; a missing key counts as 0.
func (bucket *Bucket) Increment(ctx context.Context, key string, by int64) (Counted, error) {
	return within(bucket.scope, func(session session) (Counted, error) {
		return session.increment(ctx, bucket.name, key, by)
	})
}

// Count returns the number of keys in a span.
func (bucket *Bucket) Count(ctx context.Context, span Span) (uint64, error) {
	if err := span.check(); err != nil {
		return 0, err
	}
	return within(bucket.scope, func(session session) (uint64, error) {
		return session.count(ctx, bucket.name, span)
	})
}

// DeleteSpan removes the keys of a span, outside of a transaction in commits of up to 1,000 keys.
func (bucket *Bucket) DeleteSpan(ctx context.Context, span Span) (DeletedKeys, error) {
	if err := span.check(); err != nil {
		return DeletedKeys{}, err
	}
	return within(bucket.scope, func(session session) (DeletedKeys, error) {
		return session.deleteSpan(ctx, bucket.name, span)
	})
}

// Apply runs up to 10,000 operations in order and in one commit: all of them or, with ErrRefused where a condition does
// not hold, none. Refusals of the Error lists all conditions that did not.
func (bucket *Bucket) Apply(ctx context.Context, operations ...Operation) (Applied, error) {
	for index := range operations {
		if err := operations[index].Span.check(); err != nil {
			return Applied{}, err
		}
	}
	return within(bucket.scope, func(session session) (Applied, error) {
		return session.apply(ctx, bucket.name, operations)
	})
}

// ScanPage returns one page of a scan.
func (bucket *Bucket) ScanPage(ctx context.Context, options ScanOptions) (Page, error) {
	if err := options.check(); err != nil {
		return Page{}, err
	}
	return within(bucket.scope, func(session session) (Page, error) {
		return session.scan(ctx, bucket.name, options)
	})
}

// Scan goes through the keys of a span in order, page by page:
//
//	scanner := bucket.Scan(ctx, pool.ScanOptions{Span: pool.Span{Prefix: "user:"}})
//	for scanner.Next() {
//		fmt.Println(scanner.Entry().Key)
//	}
//	err := scanner.Err()
func (bucket *Bucket) Scan(ctx context.Context, options ScanOptions) *Scanner {
	return &Scanner{ctx: ctx, bucket: bucket, options: options}
}

// Scanner is a scan under way. It holds nothing that would have to be closed. While no more than 30 seconds pass between
// pages, and a minute in all, they show one moment; after that the scan goes on by key in the newest state.
type Scanner struct {
	ctx     context.Context
	bucket  *Bucket
	options ScanOptions
	page    Page
	// The next entry of the page.
	next   int
	isLast bool
	err    error
}

// Next goes to the next entry, and tells whether there is one.
func (scanner *Scanner) Next() bool {
	for scanner.next >= len(scanner.page.Entries) {
		if scanner.isLast || scanner.err != nil {
			return false
		}
		scanner.page, scanner.err = scanner.bucket.ScanPage(scanner.ctx, scanner.options)
		scanner.next, scanner.options.Cursor = 0, scanner.page.Cursor
		scanner.isLast = scanner.page.Cursor == ""
	}
	scanner.next++
	return true
}

// Entry returns the entry that Next went to.
func (scanner *Scanner) Entry() Entry { return scanner.page.Entries[scanner.next-1] }

// Err returns the error that ended the scan, or nil at its end.
func (scanner *Scanner) Err() error { return scanner.err }

package pool

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
)

const (
	octets      = "application/octet-stream"
	getManyMost = 1_000
	// Keys of a page that is only looked through.
	pageMost = 1_000
)

func bucketPath(bucket string) string {
	if bucket == DefaultBucket {
		return "/kv"
	}
	// Taken for steps, a name of dots would lead to the keys of the default bucket.
	return "/buckets/" + segment(bucket) + "/kv"
}

// keyPath is the path of a key. The keys "." and ".." have none that every proxy leaves alone.
func keyPath(bucket, key string) (string, bool) {
	return bucketPath(bucket) + "/" + percent(key), key != "." && key != ".."
}

// checkKey refuses what has no path.
func checkKey(key string) error {
	if key == "" {
		return newError("key-empty", "A key has at least one byte.")
	}
	return nil
}

func (session *remoteSession) get(ctx context.Context, bucket, key string) ([]byte, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	path, isPath := keyPath(bucket, key)
	if !isPath {
		entry, err := session.getEntry(ctx, bucket, key)
		return entry.Value, err
	}
	answered, err := session.send(ctx, request{method: http.MethodGet, path: path, query: []pair{{"raw", "true"}}})
	if err != nil {
		return nil, err
	}
	return answered.body, nil
}

func (session *remoteSession) getEntry(ctx context.Context, bucket, key string) (Entry, error) {
	applied, err := session.apply(ctx, bucket, []Operation{OpGet(key)})
	if err != nil {
		return Entry{}, err
	}
	if !applied.Results[0].Found {
		return Entry{}, ErrNotFound
	}
	return applied.Results[0].Entry, nil
}

func (session *remoteSession) getMany(ctx context.Context, bucket string, keys []string) ([][]byte, error) {
	if len(keys) > getManyMost {
		return nil, newError("keys-too-many", "The call asks for more keys than the limit.")
	}
	operations := make([]Operation, len(keys))
	for index, key := range keys {
		operations[index] = OpGet(key)
	}
	applied, err := session.apply(ctx, bucket, operations)
	if err != nil {
		return nil, err
	}
	values := make([][]byte, len(keys))
	for index, result := range applied.Results {
		values[index] = result.Entry.Value
	}
	return values, nil
}

func (session *remoteSession) set(
	ctx context.Context, bucket, key string, value []byte, options SetOptions,
) (Written, error) {
	if err := checkKey(key); err != nil {
		return Written{}, err
	}
	path, isPath := keyPath(bucket, key)
	if !isPath || !isPlainType(options.MediaType) {
		return session.applyOne(ctx, bucket, OpSetWith(key, value, options))
	}
	ms, err := options.ttlMS()
	if err != nil {
		return Written{}, err
	}
	query := []pair{{"raw", "true"}}
	if ms != 0 {
		query = append(query, pair{"ttl_ms", strconv.FormatInt(ms, 10)})
	}
	if value == nil {
		value = []byte{}
	}
	header := append(conditionHeader(options.If), pair{"Content-Type", firstText(options.MediaType, octets)})
	answered, err := session.send(ctx, request{
		method: http.MethodPut, path: path, query: query, header: header, body: value, isWrite: true,
	})
	if err != nil {
		return Written{}, refusedAt(answered, err)
	}
	return answered.written(), nil
}

// isPlainType tells whether a media type can be a header as it is.
func isPlainType(mediaType string) bool {
	return strings.TrimSpace(mediaType) == mediaType && strings.IndexFunc(mediaType, func(character rune) bool {
		return character < ' ' || character > '~'
	}) < 0
}

// refusedAt adds what the answer says of a key whose condition did not hold.
func refusedAt(answered answer, err error) error {
	if ours, is := err.(*Error); is && ours.Code == "precondition-failed" {
		version, exists := answered.tag()
		ours.Refusals = []Refusal{{Exists: exists, Version: version}}
	}
	return err
}

func conditionHeader(condition Condition) []pair {
	switch condition.kind {
	case absent:
		return []pair{{"If-None-Match", "*"}}
	case present:
		return []pair{{"If-Match", "*"}}
	case atVersion:
		return []pair{{"If-Match", `"v` + text(condition.version) + `"`}}
	}
	return nil
}

// applyOne does one operation as a batch.
func (session *remoteSession) applyOne(ctx context.Context, bucket string, operation Operation) (Written, error) {
	applied, err := session.apply(ctx, bucket, []Operation{operation})
	if ours, is := err.(*Error); is && ours.Code == "check-failed" {
		ours.Code = "precondition-failed"
	}
	return applied.Written, err
}

func (session *remoteSession) remove(ctx context.Context, bucket, key string, condition Condition) (Deleted, error) {
	if err := checkKey(key); err != nil {
		return Deleted{}, err
	}
	path, isPath := keyPath(bucket, key)
	if !isPath || condition.kind != anything {
		operation := []Operation{OpDeleteIf(key, condition)}
		applied, err := session.apply(ctx, bucket, operation)
		if ours, is := err.(*Error); is && ours.Code == "check-failed" {
			ours.Code = "precondition-failed"
		}
		if err != nil {
			return Deleted{}, err
		}
		return Deleted{applied.Written, applied.Results[0].Deleted > 0}, nil
	}
	answered, err := session.send(ctx, request{method: http.MethodDelete, path: path, isWrite: true})
	if err != nil && CodeOf(err) != "key-not-found" {
		return Deleted{}, err
	}
	return Deleted{answered.written(), err == nil}, nil
}

func (session *remoteSession) increment(ctx context.Context, bucket, key string, by int64) (Counted, error) {
	applied, err := session.apply(ctx, bucket, []Operation{OpIncrement(key, by)})
	if err != nil {
		return Counted{}, err
	}
	return Counted{applied.Written, applied.Results[0].Number}, nil
}

func spanQuery(span Span) []pair {
	var query []pair
	for _, bound := range []pair{{"prefix", span.Prefix}, {"start", span.Start}, {"end", span.End}} {
		if bound.value != "" {
			query = append(query, bound)
		}
	}
	return query
}

type jsonEntry struct {
	Key        jsonBytes   `json:"key"`
	Value      *jsonBytes  `json:"value"`
	Version    jsonVersion `json:"version"`
	MediaType  string      `json:"media_type"`
	ModifiedAt jsonTime    `json:"modified_at"`
	ExpiresAt  jsonTime    `json:"expires_at"`
}

func (form jsonEntry) entry() Entry {
	entry := Entry{
		Key:        string(form.Key),
		MediaType:  form.MediaType,
		Version:    uint64(form.Version),
		ModifiedAt: form.ModifiedAt.Time,
		ExpiresAt:  form.ExpiresAt.Time,
	}
	if form.Value != nil {
		entry.Value = []byte(*form.Value)
	}
	return entry
}

func (session *remoteSession) scan(ctx context.Context, bucket string, options ScanOptions) (Page, error) {
	query := append(spanQuery(options.Span), pair{"limit", options.limit()}, pair{"encoding", "base64"})
	if options.Reverse {
		query = append(query, pair{"reverse", "true"})
	}
	if options.Cursor != "" {
		query = append(query, pair{"cursor", options.Cursor})
	}
	if !options.KeysOnly {
		query = append(query, pair{"values", "true"}, pair{"details", "true"})
	}
	answered, err := session.send(ctx, request{method: http.MethodGet, path: bucketPath(bucket), query: query})
	if err != nil {
		return Page{}, err
	}
	var form struct {
		Keys    []jsonBytes
		Entries []jsonEntry
		Cursor  string
	}
	if err := answered.decode(&form); err != nil {
		return Page{}, err
	}
	page := Page{Cursor: form.Cursor, Entries: make([]Entry, 0, len(form.Keys)+len(form.Entries))}
	for _, key := range form.Keys {
		page.Entries = append(page.Entries, Entry{Key: string(key)})
	}
	for _, entry := range form.Entries {
		page.Entries = append(page.Entries, entry.entry())
	}
	return page, nil
}

// count transfers the keys, but none of the values.
func (session *remoteSession) count(ctx context.Context, bucket string, span Span) (uint64, error) {
	options := ScanOptions{Span: span, Limit: pageMost, KeysOnly: true}
	for count := uint64(0); ; {
		page, err := session.scan(ctx, bucket, options)
		count += uint64(len(page.Entries))
		options.Cursor = page.Cursor
		if err != nil || page.Cursor == "" {
			return count, err
		}
	}
}

func (session *remoteSession) deleteSpan(ctx context.Context, bucket string, span Span) (DeletedKeys, error) {
	if span.Start != "" || span.End != "" {
		return session.deleteBetween(ctx, bucket, span)
	}
	query := []pair{{"all", "true"}}
	if span.Prefix != "" {
		query = []pair{{"prefix", span.Prefix}}
	}
	answered, err := session.send(ctx, request{
		method: http.MethodDelete, path: bucketPath(bucket), query: query, isWrite: true,
	})
	return deletedKeys(answered, err)
}

func deletedKeys(answered answer, err error) (DeletedKeys, error) {
	if err != nil {
		return DeletedKeys{}, err
	}
	var form struct{ Deleted uint64 }
	err = answered.decode(&form)
	return DeletedKeys{answered.written(), form.Deleted}, err
}

// deleteBetween is a batch that is not atomic: the server deletes in commits of up to 1,000 keys.
func (session *remoteSession) deleteBetween(ctx context.Context, bucket string, span Span) (DeletedKeys, error) {
	answered, results, err := session.sendBatch(ctx, bucket, []Operation{OpDeleteSpan(span)}, false)
	if err != nil {
		return DeletedKeys{}, err
	}
	deleted := DeletedKeys{answered.written(), results[0].Deleted}
	if failed := results[0].Error; failed != nil {
		err := newError(failed.Code, failed.Message)
		err.isUnknown = failed.Code == "storage-failed"
		return deleted, err
	}
	return deleted, nil
}

type jsonResult struct {
	jsonEntry
	Deleted uint64
	Error   *struct{ Code, Message string }
	// Number is the value of an increment, as text.
	Number int64 `json:"-"`
}

func (session *remoteSession) sendBatch(
	ctx context.Context, bucket string, operations []Operation, isAtomic bool,
) (answer, []jsonResult, error) {
	forms := make([]map[string]any, len(operations))
	isWrite := false
	for index, operation := range operations {
		form, err := operation.form()
		if err != nil {
			return answer{}, nil, err
		}
		forms[index] = form
		isWrite = isWrite || operation.Op != "get" && operation.Op != "check"
	}
	body, err := encodeJSON(map[string]any{"operations": forms, "atomic": isAtomic})
	if err != nil {
		return answer{}, nil, err
	}
	answered, err := session.send(ctx, request{
		method: http.MethodPost, path: bucketPath(bucket), body: body, isWrite: isWrite,
		query:  []pair{{"details", "true"}, {"encoding", "base64"}, {"numbers", "string"}},
		header: []pair{{"Content-Type", jsonType}},
	})
	if err != nil {
		return answered, nil, err
	}
	var form struct{ Results []jsonResult }
	if err := answered.decode(&form); err != nil {
		return answered, nil, err
	}
	if len(form.Results) != len(operations) {
		return answered, nil, newError("answer-malformed", "The server's answer lacks results.")
	}
	return answered, form.Results, nil
}

func (session *remoteSession) apply(ctx context.Context, bucket string, operations []Operation) (Applied, error) {
	answered, results, err := session.sendBatch(ctx, bucket, operations, true)
	if err != nil {
		return Applied{}, err
	}
	applied := Applied{Written: answered.written(), Results: make([]Result, len(results))}
	for index, form := range results {
		result, err := form.result(operations[index].Op)
		if err != nil {
			return Applied{}, err
		}
		applied.Results[index] = result
	}
	return applied, nil
}

func (form jsonResult) result(op string) (Result, error) {
	switch op {
	case "get":
		return Result{Found: form.Value != nil, Entry: form.entry()}, nil
	case "increment":
		if form.Value == nil {
			return Result{}, newError("answer-malformed", "The server's answer lacks a number.")
		}
		number, err := strconv.ParseInt(string(*form.Value), 10, 64)
		if err != nil {
			return Result{}, newError("answer-malformed", "The server's answer has no number: "+err.Error())
		}
		return Result{Number: number}, nil
	}
	return Result{Deleted: form.Deleted}, nil
}

func (session *remoteSession) batch(ctx context.Context, operations []BatchOperation) (Applied, error) {
	forms, err := batchForms(operations)
	if err != nil {
		return Applied{}, err
	}
	body, err := encodeJSON(map[string]any{"operations": forms})
	if err != nil {
		return Applied{}, err
	}
	answered, err := session.send(ctx, request{
		method: http.MethodPost, path: "/batch", body: body, isWrite: true,
		query:  []pair{{"details", "true"}, {"encoding", "base64"}, {"numbers", "string"}},
		header: []pair{{"Content-Type", jsonType}},
	})
	if err != nil {
		return Applied{}, err
	}
	var form struct{ Results rawJSON }
	if err := answered.decode(&form); err != nil {
		return Applied{}, err
	}
	results, err := readBatchResults(form.Results, operations)
	return Applied{answered.written(), results}, err
}

// readBatchResults reads the JSON list of a batch's results, of a server or of the library.
func readBatchResults(list []byte, operations []BatchOperation) ([]Result, error) {
	var forms []jsonBatchResult
	if err := (answer{body: list}).decode(&forms); err != nil {
		return nil, err
	}
	if len(forms) != len(operations) {
		return nil, newError("answer-malformed", "The answer lacks results.")
	}
	results := make([]Result, len(operations))
	for index, one := range forms {
		if _, isOfRows := operations[index].(RowOperation); isOfRows {
			results[index] = Result{
				Deleted: one.Deleted, Inserted: one.Inserted, Updated: one.Updated, Rows: Rows(one.Rows),
			}
			continue
		}
		operation := operations[index].(Operation)
		result, err := one.jsonResult.result(operation.Op)
		if err != nil {
			return nil, err
		}
		if operation.Op == "get" {
			result.Entry.Key = operation.Key
		}
		results[index] = result
	}
	return results, nil
}

// readRefusals reads the JSON list of the operations that refused a batch of the library.
func readRefusals(list []byte) ([]Refusal, error) {
	var forms []jsonRefusal
	if err := (answer{body: list}).decode(&forms); err != nil {
		return nil, err
	}
	refusals := make([]Refusal, len(forms))
	for index, form := range forms {
		refusals[index] = form.refusal()
	}
	return refusals, nil
}

type jsonBatchResult struct {
	jsonResult
	Inserted, Updated uint64
	Rows              rawJSON
}

// rawJSON keeps a text as it is; null is nil.
type rawJSON []byte

// UnmarshalJSON copies the text.
func (raw *rawJSON) UnmarshalJSON(from []byte) error {
	*raw = nil
	if !bytes.Equal(from, []byte("null")) {
		*raw = append(rawJSON(nil), from...)
	}
	return nil
}

func (session *remoteSession) buckets(ctx context.Context) ([]BucketInfo, error) {
	answered, err := session.send(ctx, request{method: http.MethodGet, path: "/buckets"})
	if err != nil {
		return nil, err
	}
	var form struct{ Buckets []BucketInfo }
	err = answered.decode(&form)
	return form.Buckets, err
}

func (session *remoteSession) dropBucket(ctx context.Context, bucket string) (DeletedKeys, error) {
	answered, err := session.send(ctx, request{
		method: http.MethodDelete, path: "/buckets/" + segment(bucket), query: []pair{{"drop", "true"}}, isWrite: true,
	})
	return deletedKeys(answered, err)
}

//go:build cgo && !mantisdb_remote

package pool

// #include "local.h"
import "C"

import (
	"bytes"
	"context"
	"encoding/json"
)

func (session *localSession) buckets(ctx context.Context) ([]BucketInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	scratch := session.scratch
	if status := C.mantis_conn_buckets(session.conn, &scratch.page, &scratch.error); status < 0 {
		return nil, failed(status, scratch)
	}
	var buckets []BucketInfo
	return buckets, session.decode(&buckets)
}

// decode reads the page as JSON.
func (session *localSession) decode(into any) error { return answer{body: session.page()}.decode(into) }

func (session *localSession) dropBucket(ctx context.Context, bucket string) (DeletedKeys, error) {
	if err := ctx.Err(); err != nil {
		return DeletedKeys{}, err
	}
	name, length := bucketOfName(bucket)
	scratch := session.scratch
	status := C.mantis_conn_bucket_drop(session.conn, name, length, &scratch.written, &scratch.error)
	return session.deletedKeys(ctx, status)
}

func (session *localSession) batch(ctx context.Context, operations []BatchOperation) (Applied, error) {
	if err := ctx.Err(); err != nil {
		return Applied{}, err
	}
	forms, err := batchForms(operations)
	if err != nil {
		return Applied{}, err
	}
	body, err := encodeJSON(map[string]any{"operations": forms})
	if err != nil {
		return Applied{}, err
	}
	text, length := given(body)
	scratch := session.scratch
	session.deferWrites()
	status := C.mantis_conn_batch(session.conn, (*C.char)(text), length, &scratch.page, &scratch.written, &scratch.error)
	if status < 0 {
		return Applied{}, failed(status, scratch)
	}
	if status == C.MANTIS_REFUSED {
		refused := newError("check-failed", ErrRefused.Message)
		refused.Refusals, err = readRefusals(session.page())
		if err != nil {
			return Applied{}, err
		}
		return Applied{}, refused
	}
	results, err := readBatchResults(session.page(), operations)
	if err != nil {
		return Applied{}, err
	}
	written, err := session.settled(ctx, status)
	return Applied{written, results}, err
}

func (session *localSession) createTable(ctx context.Context, table string, definition []byte) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	name, nameLength := bytesOf(table)
	text, length := given(definition)
	scratch := session.scratch
	status := C.mantis_conn_table_create(session.conn, (*C.char)(name), nameLength, (*C.char)(text), length,
		&scratch.page, &scratch.written, &scratch.error)
	if status < 0 {
		return false, failed(status, scratch)
	}
	return scratch.written.flags&C.MANTIS_CREATED != 0, nil
}

func (session *localSession) alterTable(ctx context.Context, table string, changes []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name, nameLength := bytesOf(table)
	text, length := given(changes)
	scratch := session.scratch
	status := C.mantis_conn_table_alter(session.conn, (*C.char)(name), nameLength, (*C.char)(text), length,
		&scratch.page, &scratch.error)
	if status < 0 {
		return failed(status, scratch)
	}
	return nil
}

func (session *localSession) dropTable(ctx context.Context, table string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name, length := bytesOf(table)
	if status := C.mantis_conn_table_drop(session.conn, (*C.char)(name), length, &session.scratch.error); status < 0 {
		return failed(status, session.scratch)
	}
	return nil
}

func (session *localSession) describeTable(ctx context.Context, table string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	name, length := bytesOf(table)
	scratch := session.scratch
	status := C.mantis_conn_table_describe(session.conn, (*C.char)(name), length, &scratch.page, &scratch.error)
	if status < 0 {
		return nil, failed(status, scratch)
	}
	return session.page(), nil
}

func (session *localSession) tables(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	scratch := session.scratch
	if status := C.mantis_conn_tables(session.conn, &scratch.page, &scratch.error); status < 0 {
		return nil, failed(status, scratch)
	}
	var tables []struct{ Name string }
	if err := session.decode(&tables); err != nil {
		return nil, err
	}
	names := make([]string, len(tables))
	for index, table := range tables {
		names[index] = table.Name
	}
	return names, nil
}

// rows runs a statement on rows, which come as JSON. Its page and what it has written are in the scratch.
func (session *localSession) rows(ctx context.Context, statement map[string]any) (C.mantis_status, error) {
	return session.rowsAs(ctx, statement, C.MANTIS_ROWS_JSON)
}

func (session *localSession) rowsAs(
	ctx context.Context, statement map[string]any, format C.uint32_t,
) (C.mantis_status, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	body, err := encodeJSON(statement)
	if err != nil {
		return 0, err
	}
	text, length := given(body)
	scratch := session.scratch
	session.deferWrites()
	status := C.mantis_conn_rows(session.conn, (*C.char)(text), length, format, &scratch.page,
		&scratch.written, &scratch.error)
	if status < 0 {
		return status, failed(status, scratch)
	}
	return status, nil
}

// statement is a query as the library takes it.
func (query Query) statement(op, table string) map[string]any {
	statement := map[string]any{"op": op, "table": table}
	for name, text := range map[string]string{"filter": query.Filter, "select": query.Select, "order": query.Order} {
		if text != "" {
			statement[name] = text
		}
	}
	if len(query.Arguments) > 0 {
		statement["filter"], statement["arguments"] = localArguments(query.Filter, query.Arguments)
	}
	if query.Limit != nil {
		statement["limit"] = *query.Limit
	}
	if query.Offset != 0 {
		statement["offset"] = query.Offset
	}
	return statement
}

func (session *localSession) getRow(ctx context.Context, table string, key []any, selected string) (Row, error) {
	statement := Query{Select: selected}.statement("get", table)
	statement["key"] = keyOf(key)
	status, err := session.rows(ctx, statement)
	if err != nil {
		return Row{}, err
	}
	var rows []rawJSON
	page := bytes.TrimSpace(session.page())
	if len(page) > 0 && page[0] == '{' {
		rows = []rawJSON{page}
	} else if err := session.decode(&rows); err != nil {
		return Row{}, err
	}
	if status == C.MANTIS_NOT_FOUND || len(rows) == 0 {
		return Row{}, newError("row-not-found", "The table has no row with this primary key.")
	}
	return Row{JSON: json.RawMessage(rows[0]), Version: uint64(session.scratch.page.version)}, nil
}

func (session *localSession) selectRows(ctx context.Context, table string, query Query) (Rows, error) {
	if _, err := session.rows(ctx, query.statement("select", table)); err != nil {
		return nil, err
	}
	return Rows(session.page()), nil
}

func (session *localSession) fetchRows(ctx context.Context, table string, query Query) ([]byte, error) {
	if _, err := session.rowsAs(ctx, query.statement("select", table), C.MANTIS_ROWS_PACKED); err != nil {
		return nil, err
	}
	return session.page(), nil
}

func (session *localSession) countRows(ctx context.Context, table string, query Query) (uint64, error) {
	if _, err := session.rows(ctx, query.statement("count", table)); err != nil {
		return 0, err
	}
	return uint64(session.scratch.page.total), nil
}

func (session *localSession) explainRows(ctx context.Context, table string, query Query) (string, error) {
	if _, err := session.rows(ctx, query.statement("explain", table)); err != nil {
		return "", err
	}
	return string(session.page()), nil
}

func (session *localSession) writeRows(ctx context.Context, writing rowWriting) (RowsWritten, error) {
	options, op := writing.options, writing.verb
	query := writing.query
	query.Select, query.Order = options.Returning, options.Order
	if op == "merge" || op == "ignore" {
		op = "insert"
	}
	statement := query.statement(op, writing.table)
	switch writing.verb {
	case "merge", "ignore":
		statement["on_conflict"] = writing.verb
		if len(options.OnConflict) > 0 {
			statement["conflict_columns"] = options.OnConflict
		}
	}
	switch op {
	case "insert", "update-many":
		statement["rows"] = listOf(writing.body)
		if len(options.Columns) > 0 {
			statement["columns"] = options.Columns
		}
	case "update":
		statement["set"] = json.RawMessage(writing.body)
	}
	if writing.key != nil {
		statement["key"] = writing.key
	}
	if options.IfVersion != nil {
		statement["if_version"] = *options.IfVersion
	}
	status, err := session.rows(ctx, statement)
	if err != nil {
		return RowsWritten{}, err
	}
	if status == C.MANTIS_REFUSED {
		return RowsWritten{}, newError("PT412", "The row does not have the version that was asked for.")
	}
	out := RowsWritten{Count: uint64(session.scratch.written.count)}
	if options.Returning != "" {
		out.Rows = Rows(session.page())
	}
	out.Written, err = session.settled(ctx, status)
	return out, err
}

// localFeed is the place that a feed has come to.
type localFeed struct {
	local   *local
	options ChangesOptions
	cursor  string
}

const feedPage = 100

// page reads the next changes, and tells whether there are none after them yet.
func (feed *localFeed) page(ctx context.Context) ([]Change, bool, error) {
	acquired, err := feed.local.acquire(ctx)
	if err != nil {
		return nil, false, err
	}
	session := acquired.(*localSession)
	defer session.release()
	since, cursor := C.uint32_t(C.MANTIS_SINCE_CURSOR), feed.cursor
	switch feed.cursor {
	case Now:
		since, cursor = C.MANTIS_SINCE_NOW, ""
	case Earliest, "0":
		since, cursor = C.MANTIS_SINCE_EARLIEST, ""
	}
	isOfKeys := feed.options.Bucket != "" || feed.options.Prefix != ""
	var changes []Change
	if isOfKeys {
		changes, err = session.keyChanges(feed.options, since, cursor)
	} else {
		changes, err = session.rowChanges(feed.options, since, cursor)
	}
	if err != nil {
		return nil, false, err
	}
	page := &session.scratch.page
	if page.cursor_len > 0 {
		feed.cursor = string(copied(page.cursor, page.cursor_len))
	}
	return changes, page.flags&C.MANTIS_PAGE_AT_END != 0, nil
}

func (session *localSession) keyChanges(options ChangesOptions, since C.uint32_t, cursor string) ([]Change, error) {
	bucket, bucketLength := textOf(options.Bucket)
	prefix, prefixLength := bytesOf(options.Prefix)
	from, fromLength := bytesOf(cursor)
	scratch := session.scratch
	status := C.mantis_conn_changes(session.conn, bucket, bucketLength, prefix, prefixLength, since, from, fromLength,
		feedPage, &scratch.page, &scratch.error)
	if status < 0 {
		return nil, failed(status, scratch)
	}
	return unpackChanges(session.page())
}

func (session *localSession) rowChanges(options ChangesOptions, since C.uint32_t, cursor string) ([]Change, error) {
	table, tableLength := textOf(options.Table)
	filter, filterLength := textOf(options.Filter)
	selected, selectedLength := textOf(options.Select)
	from, fromLength := bytesOf(cursor)
	scratch := session.scratch
	status := C.mantis_conn_row_changes(session.conn, table, tableLength, filter, filterLength, selected, selectedLength,
		since, from, fromLength, feedPage, &scratch.page, &scratch.error)
	if status < 0 {
		return nil, failed(status, scratch)
	}
	var forms []jsonChange
	if err := session.decode(&forms); err != nil {
		return nil, err
	}
	changes := make([]Change, len(forms))
	for index := range forms {
		change, err := forms[index].change()
		if err != nil {
			return nil, errPacked
		}
		changes[index] = change
	}
	return changes, nil
}

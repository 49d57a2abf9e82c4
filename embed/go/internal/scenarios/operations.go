package main

import (
	"errors"
	"log"
	"strings"
	"time"

	"github.com/mantisdb/mantisdb/embed/go/pool"
)

const (
	// A feed that brings nothing for so long, after what is awaited of it, has come to its end.
	quiet = 50 * time.Millisecond
	// An awaited change that has not come after so long is lost.
	lost = 20 * time.Second
)

func (player *player) onBucket(step *step, asked operation, bucket *pool.Bucket) (any, error) {
	ctx := player.ctx
	switch asked.Op {
	case "get":
		value, err := bucket.Get(ctx, asked.key())
		if errors.Is(err, pool.ErrNotFound) {
			return line{"value": nil}, nil
		}
		return line{"value": toldBytes(value)}, err
	case "get-entry":
		entry, err := bucket.GetEntry(ctx, asked.key())
		if errors.Is(err, pool.ErrNotFound) {
			return line{"entry": nil}, nil
		}
		return toldEntry(entry), err
	case "get-many":
		keys := make([]string, len(asked.Keys))
		for index, key := range asked.Keys {
			keys[index] = string(key)
		}
		values, err := bucket.GetMany(ctx, keys...)
		told := make([]any, len(values))
		for index, value := range values {
			told[index] = toldBytes(value)
		}
		return line{"values": told}, err
	case "set":
		written, err := bucket.Set(ctx, asked.key(), []byte(asked.Value))
		return toldCommit(line{}, "written", written), err
	case "set-with":
		return toldOutcome(bucket.SetWith(ctx, asked.key(), []byte(asked.Value), asked.setOptions()))
	case "delete":
		deleted, err := bucket.Delete(ctx, asked.key())
		return toldCommit(line{"deleted": deleted.Existed}, "version", deleted.Written), err
	case "delete-if":
		deleted, err := bucket.DeleteIf(ctx, asked.key(), pool.Condition(asked.If))
		return toldOutcome(deleted.Written, err)
	case "increment":
		counted, err := bucket.Increment(ctx, asked.key(), int64(asked.By))
		return toldCommit(line{"number": counted.Number}, "version", counted.Written), err
	case "scan", "scan-keys":
		return player.scan(step, asked, bucket)
	case "count":
		count, err := bucket.Count(ctx, pool.Span(asked.Span))
		return line{"count": count}, err
	case "delete-span":
		deleted, err := bucket.DeleteSpan(ctx, pool.Span(asked.Span))
		return toldCommit(line{"deleted_keys": deleted.Keys}, "version", deleted.Written), err
	case "apply":
		operations := make([]pool.Operation, len(asked.Ops))
		for index, one := range asked.Ops {
			operations[index] = one.onKey()
		}
		applied, err := bucket.Apply(ctx, operations...)
		// The crate does not say which of these it was.
		if ours := (*pool.Error)(nil); errors.As(err, &ours) {
			ours.Operation = -1
		}
		return toldApplied(applied, err, func(index int, result pool.Result) any {
			return toldResult(asked.Ops[index].Op, result)
		})
	}
	log.Fatalf("there is no %s", asked.Op)
	return nil, nil
}

func (player *player) scan(step *step, asked operation, bucket *pool.Bucket) (any, error) {
	options := pool.ScanOptions{
		Span: pool.Span(asked.Span), Reverse: asked.Reverse, Limit: int(*asked.Limit),
		KeysOnly: asked.Op == "scan-keys", Cursor: player.cursor(asked.Cursor),
	}
	if options.Limit == 0 {
		options.Limit = -1 // 0 is the default of the interface, and no limit either.
	}
	page, err := bucket.ScanPage(player.ctx, options)
	if err != nil {
		return nil, err
	}
	if step.As != nil {
		player.cursors[*step.As] = page.Cursor
	}
	told := make([]any, len(page.Entries))
	for index, entry := range page.Entries {
		told[index] = toldBytes([]byte(entry.Key))
		if !options.KeysOnly {
			told[index] = []any{toldBytes([]byte(entry.Key)), toldBytes(entry.Value), entry.Version}
		}
	}
	name := "entries"
	if options.KeysOnly {
		name = "keys"
	}
	return line{name: told, "more": page.Cursor != ""}, nil
}

func (player *player) cursor(from *cursorFrom) string {
	switch {
	case from == nil:
		return ""
	case from.Step != nil:
		return player.cursors[*from.Step]
	}
	return string(*from.MadeUp)
}

func (player *player) batch(step *step, asked operation) (any, error) {
	operations := make([]pool.BatchOperation, len(asked.Ops))
	for index, one := range asked.Ops {
		if one.Table == "" {
			operations[index] = one.onKey()
		} else {
			operations[index] = one.onRows()
		}
	}
	applied, err := player.within(step).Batch(player.ctx, operations...)
	return toldApplied(applied, err, func(index int, result pool.Result) any {
		return toldResultAcross(asked.Ops[index], result)
	})
}

func (player *player) onTable(asked operation, table *pool.Table) (any, error) {
	ctx := player.ctx
	query := pool.Query{
		Filter: asked.Filter, Arguments: values(asked.Arguments), Order: asked.Order,
		Limit: asked.Limit, Offset: asked.Offset,
	}
	if asked.Select != nil {
		query.Select = *asked.Select
	}
	options := pool.WriteOptions{
		Columns: asked.Columns, IfVersion: asked.version(), Order: asked.Order, OnConflict: asked.Conflict,
		IgnoreDuplicates: asked.OnConflict == "ignore",
	}
	if asked.Returning != nil {
		options.Returning = firstText(*asked.Returning, "*")
	}
	switch asked.Op {
	case "get-row":
		row, err := table.GetSelect(ctx, query.Select, asked.keyParts()...)
		if errors.Is(err, pool.ErrNotFound) {
			return line{"row": nil}, nil
		}
		return line{"row_json": string(row.JSON), "version": row.Version}, err
	case "select-rows":
		rows, err := table.Select(ctx, query)
		return line{"rows_json": string(rows)}, err
	case "count-rows":
		count, err := table.Count(ctx, query)
		return line{"count": count}, err
	case "explain-rows":
		plan, err := table.Explain(ctx, query)
		return line{"plan": strings.Split(strings.TrimRight(plan, "\n"), "\n")}, err
	case "insert-rows":
		if asked.OnConflict == "fail" {
			return toldWritten(table.Insert(ctx, rowList(asked.Rows), options))
		}
		return toldWritten(table.Upsert(ctx, rowList(asked.Rows), options))
	case "update-rows":
		return toldWritten(table.Update(ctx, query, exactRow(asked.Set), options))
	case "update-row":
		return toldWritten(table.UpdateRow(ctx, exactRow(asked.Set), options, asked.keyParts()...))
	case "update-many-rows":
		return toldWritten(table.UpdateMany(ctx, rowList(asked.Rows), options))
	case "delete-rows":
		return toldWritten(table.Delete(ctx, query, options))
	case "delete-row":
		return toldWritten(table.DeleteRow(ctx, options, asked.keyParts()...))
	}
	log.Fatalf("there is no %s", asked.Op)
	return nil, nil
}

// follow tells the changes that a feed brings: those that are awaited, and what comes at once after them.
func (player *player) follow(step *step, asked operation) (any, error) {
	options := pool.ChangesOptions{Since: pool.Earliest, Prefix: string(asked.Prefix), Table: asked.Table, Filter: asked.Filter}
	if asked.Since != nil {
		options.Since = player.cursor(asked.Since)
	}
	if asked.Of != nil {
		options.Bucket = *asked.Of
	}
	if asked.Select != nil {
		options.Select = *asked.Select
	}
	cursor, most := options.Since, ^uint64(0)
	if asked.Limit != nil {
		most = *asked.Limit
	}
	feed := player.pool.Changes(player.ctx, options)
	defer feed.Close()
	told := []any{}
	for uint64(len(told)) < most {
		patience := lost
		if uint64(len(told)) >= step.Awaited {
			patience = quiet
			// What comes at once comes with the connection.
			select {
			case <-feed.Ready():
			case <-time.After(lost):
			case change, isOpen := <-feed.C:
				if !isOpen {
					return nil, feed.Err()
				}
				told, cursor = append(told, toldChange(change)), change.Cursor
				continue
			}
		}
		timer := time.NewTimer(patience)
		select {
		case change, isOpen := <-feed.C:
			timer.Stop()
			if !isOpen {
				return nil, feed.Err()
			}
			told, cursor = append(told, toldChange(change)), change.Cursor
			continue
		case <-timer.C:
		}
		break
	}
	if step.As != nil {
		player.cursors[*step.As] = cursor
	}
	return line{"changes": told, "at_end": nil}, nil
}

package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/mantisdb/mantisdb/embed/go/pool"
)

// What the transcript has in forms of its own.

// line is a line of the transcript.
type line map[string]any

// Longer values that repeat one character are told as that.
const toldBytesMax = 64

func toldBytes(value []byte) any {
	if value == nil {
		return nil
	}
	if !utf8.Valid(value) {
		return line{"base64": base64.StdEncoding.EncodeToString(value)}
	}
	if len(value) > toldBytesMax && value[0] < 0x80 && strings.Count(string(value), string(value[:1])) == len(value) {
		return line{"repeat": []any{string(value[:1]), len(value)}}
	}
	return string(value)
}

// toldCommit adds what was written. That it is not durable is usual, and left out.
func toldCommit(told line, name string, written pool.Written) line {
	told[name] = written.Version
	if written.Durable {
		told["durable"] = true
	}
	return told
}

var codesOfTables = regexp.MustCompile(`^(PGRST\d+|[0-9A-Z]{5})$`)

func toldError(err error) any {
	var ours *pool.Error
	if !errors.As(err, &ours) {
		log.Fatal(err)
	}
	told := line{"error": ours.Code}
	prefix := ""
	if ours.Operation >= 0 {
		told["operation"] = ours.Operation
		prefix = fmt.Sprintf("operation %d: ", ours.Operation)
	}
	if codesOfTables.MatchString(ours.Code) {
		told["message"] = strings.TrimPrefix(ours.Message, prefix)
	}
	return told
}

// refusals are those of an error, or none if it is another one.
func refusals(err error) []pool.Refusal {
	var ours *pool.Error
	if errors.As(err, &ours) && ours.Code != "PT412" && errors.Is(err, pool.ErrRefused) {
		return ours.Refusals
	}
	return nil
}

func toldCurrent(refusal pool.Refusal) any {
	if !refusal.Exists {
		return nil
	}
	return refusal.Version
}

// toldOutcome is that of a write with a condition.
func toldOutcome(written pool.Written, err error) (any, error) {
	if refused := refusals(err); refused != nil {
		return line{"refused": toldCurrent(refused[0])}, nil
	}
	return toldCommit(line{}, "written", written), err
}

func toldApplied(applied pool.Applied, err error, tell func(int, pool.Result) any) (any, error) {
	if refused := refusals(err); refused != nil {
		told := make([]any, len(refused))
		for index, refusal := range refused {
			one := line{"index": refusal.Index}
			if !refusal.IsOfRows {
				one["current"] = toldCurrent(refusal)
			} else {
				one["matched"] = refusal.Matched
				if refusal.Exists {
					one["version"] = refusal.Version
				}
			}
			told[index] = one
		}
		return line{"refused": told}, nil
	}
	results := make([]any, len(applied.Results))
	for index, result := range applied.Results {
		results[index] = tell(index, result)
	}
	return toldCommit(line{"results": results}, "applied", applied.Written), err
}

func toldResult(op string, result pool.Result) any {
	switch op {
	case "get":
		if !result.Found {
			return line{"value": nil}
		}
		return line{"value": toldBytes(result.Entry.Value), "version": result.Entry.Version}
	case "increment":
		return line{"number": result.Number}
	case "delete", "delete-span":
		return line{"deleted": result.Deleted}
	}
	return "done"
}

func toldResultAcross(asked operation, result pool.Result) any {
	if asked.Table == "" {
		return toldResult(asked.Op, result)
	}
	told := line{}
	switch asked.Op {
	case "check":
		return "done"
	case "insert":
		told["inserted"], told["updated"] = result.Inserted, result.Updated
	case "update":
		told["updated"] = result.Updated
	case "delete":
		told["deleted"] = result.Deleted
	}
	if result.Rows != nil {
		told["rows"] = exact(result.Rows)
	}
	return told
}

func toldEntry(entry pool.Entry) line {
	told := line{
		"value": toldBytes(entry.Value), "version": entry.Version, "modified_ms": entry.ModifiedAt.UnixMilli(),
	}
	if entry.MediaType != "application/octet-stream" {
		told["media_type"] = entry.MediaType
	}
	if !entry.ExpiresAt.IsZero() {
		told["expires_at_ms"] = entry.ExpiresAt.UnixMilli()
	}
	return line{"entry": told}
}

func toldWritten(written pool.RowsWritten, err error) (any, error) {
	told := toldCommit(line{"changed": written.Count}, "version", written.Written)
	if written.Rows != nil {
		told["rows_json"] = string(written.Rows)
	}
	return told, err
}

func toldChange(change pool.Change) line {
	told := line{"version": change.Version}
	if change.PreviousVersion != 0 {
		told["previous"] = change.PreviousVersion
	}
	switch {
	case change.Table == "":
		told[change.Kind] = toldBytes([]byte(change.Key))
		if change.Bucket != pool.DefaultBucket {
			told["bucket"] = change.Bucket
		}
		if change.Value != nil {
			told["value"] = toldBytes(change.Value)
		}
		return told
	case change.Kind == "create", change.Kind == "alter", change.Kind == "drop":
		told["columns"] = columnNames(change.Schema)
	default:
		told["key"], told["row"], told["old"] = exact(change.RowKey), exact(change.Row), exact(change.Old)
		told["matches"] = []any{change.MatchedOld, change.MatchesNew}
	}
	told["kind"], told["table"], told["schema"] = change.Kind, change.Table, change.SchemaVersion
	return told
}

func columnNames(schema json.RawMessage) any {
	if schema == nil {
		return nil
	}
	var form struct{ Columns []struct{ Name string } }
	must(json.Unmarshal(schema, &form))
	names := make([]string, len(form.Columns))
	for index, column := range form.Columns {
		names[index] = column.Name
	}
	return names
}

// exact is JSON of which every digit counts.
func exact(raw []byte) any {
	if raw == nil {
		return nil
	}
	return line{"exact": string(raw)}
}

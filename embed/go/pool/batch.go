package pool

import (
	"context"
)

// BatchOperation is an operation of Batch: an Operation on a key, or a RowOperation.
type BatchOperation interface{ isBatchOperation() }

// Operation is an operation on keys. The Op functions make them.
type Operation struct {
	// Op is get, set, delete, delete-span, increment or check.
	Op string
	// Bucket counts in Batch; "default" if it is empty.
	Bucket string
	// Key is the key of get, set, delete, increment and check.
	Key string
	// Value and Options are those of set. Options.If is also the condition of delete and check.
	Value   []byte
	Options SetOptions
	// By is what increment adds.
	By int64
	// Span is what delete-span deletes.
	Span Span
}

func (Operation) isBatchOperation() {}

// OpGet reads a key.
func OpGet(key string) Operation { return Operation{Op: "get", Key: key} }

// OpSet stores a value.
func OpSet(key string, value []byte) Operation { return Operation{Op: "set", Key: key, Value: value} }

// OpSetWith stores a value with options.
func OpSetWith(key string, value []byte, options SetOptions) Operation {
	return Operation{Op: "set", Key: key, Value: value, Options: options}
}

// OpDelete removes a key.
func OpDelete(key string) Operation { return Operation{Op: "delete", Key: key} }

// OpDeleteIf removes a key if a condition holds.
func OpDeleteIf(key string, condition Condition) Operation {
	return Operation{Op: "delete", Key: key, Options: SetOptions{If: condition}}
}

// OpDeleteSpan removes the keys of a span.
func OpDeleteSpan(span Span) Operation { return Operation{Op: "delete-span", Span: span} }

// OpIncrement adds to a number.
func OpIncrement(key string, by int64) Operation { return Operation{Op: "increment", Key: key, By: by} }

// OpCheck only demands that a condition holds.
func OpCheck(key string, condition Condition) Operation {
	return Operation{Op: "check", Key: key, Options: SetOptions{If: condition}}
}

// In returns the operation on another bucket, for Batch.
func (operation Operation) In(bucket string) Operation {
	operation.Bucket = bucket
	return operation
}

// RowOperation is an operation on the rows of a table, for Batch.
type RowOperation struct {
	// Op is select, insert, update, delete or check.
	Op string
	// Table is the table's name.
	Table string
	// Filter has conditions on columns of the table, such as "status=eq.paid&n=gt.$1"; Arguments are the values of $1, $2
	// and so on. An argument may be Made.
	Filter    string
	Arguments []any
	// Select says which columns are shown. Without it only select shows rows. "*" shows all.
	Select string
	// Order, Limit (nil: no limit) and Offset are those of select.
	Order  string
	Limit  *uint64
	Offset uint64
	// Rows of insert: an object or a list, as anything that encodes to such JSON.
	Rows any
	// Set has the columns that update changes, as anything that encodes to a JSON object.
	Set any
	// From gives columns values that earlier operations made.
	From map[string]Made
	// OnConflict is empty (an error), "ignore" or "merge", for rows of insert that exist; ConflictColumns are the key
	// that decides, the primary key if there are none.
	OnConflict      string
	ConflictColumns []string
	// Matches is how many rows the filter must select, if it is not nil.
	Matches *Matches
	// IfVersion is the version that all of them must have, if it is not nil.
	IfVersion *uint64
}

func (RowOperation) isBatchOperation() {}

// Made is a column of the primary key of the one row that an earlier operation of the batch wrote.
type Made struct {
	// Operation is its place, from 0.
	Operation int `json:"operation"`
	// Column is the column's name.
	Column string `json:"column"`
}

// Matches is a number of rows: at least Min, and at most Max if that is not nil.
type Matches struct {
	// Min is the least, and Max the most; nil is no limit.
	Min uint64  `json:"min,omitempty"`
	Max *uint64 `json:"max,omitempty"`
}

// Exactly is one number of rows.
func Exactly(count uint64) *Matches { return &Matches{Min: count, Max: &count} }

// Applied is the outcome of a batch that was done.
type Applied struct {
	// Version is its commit, or the newest one that it saw if it wrote nothing; 0 in an open transaction.
	Written
	// Results in the order of the operations.
	Results []Result
}

// Result is the outcome of an operation of a batch. Only the fields of its operation are set.
type Result struct {
	// Found tells whether get found a value, which Entry has.
	Found bool
	Entry Entry
	// Number is the sum of increment.
	Number int64
	// Deleted counts the keys or rows that were deleted, Inserted and Updated the rows.
	Deleted, Inserted, Updated uint64
	// Rows are those that a select shows; nil where there is none.
	Rows Rows
}

func (scope scope) batch(ctx context.Context, operations []BatchOperation) (Applied, error) {
	for _, one := range operations {
		if operation, is := one.(Operation); is {
			if err := operation.Span.check(); err != nil {
				return Applied{}, err
			}
		}
	}
	return within(scope, func(session session) (Applied, error) { return session.batch(ctx, operations) })
}

// batchForms is the form of a batch's operations that servers and the library share.
func batchForms(operations []BatchOperation) ([]any, error) {
	forms := make([]any, len(operations))
	for index, one := range operations {
		switch operation := one.(type) {
		case Operation:
			form, err := operation.form()
			if err != nil {
				return nil, err
			}
			if operation.Bucket != "" {
				form["bucket"] = operation.Bucket
			}
			forms[index] = form
		case RowOperation:
			forms[index] = operation.form()
		default:
			return nil, invalid("an operation of a batch is an Operation or a RowOperation")
		}
	}
	return forms, nil
}

// form is the operation in the API's JSON.
func (operation Operation) form() (map[string]any, error) {
	form := map[string]any{"op": operation.Op}
	if operation.Op != "delete-span" {
		form["key"] = jsonBytes(operation.Key)
	}
	switch operation.Op {
	case "set":
		form["value"] = jsonBytes(operation.Value)
		if operation.Options.MediaType != "" {
			form["media_type"] = operation.Options.MediaType
		}
		ms, err := operation.Options.ttlMS()
		if err != nil {
			return nil, err
		}
		if ms != 0 {
			form["ttl_ms"] = ms
		}
	case "increment":
		form["by"] = operation.By
	case "delete-span":
		for name, bound := range map[string]string{
			"prefix": operation.Span.Prefix, "start": operation.Span.Start, "end": operation.Span.End,
		} {
			if bound != "" {
				form[name] = jsonBytes(bound)
			}
		}
	}
	switch condition := operation.Options.If; condition.kind {
	case absent:
		form["absent"] = true
	case present:
		form["absent"] = false
	case atVersion:
		form["if_version"] = text(condition.version)
	}
	return form, nil
}

func (operation RowOperation) form() map[string]any {
	form := map[string]any{"op": operation.Op, "table": operation.Table}
	put := func(name string, value any, isGiven bool) {
		if isGiven {
			form[name] = value
		}
	}
	put("filter", operation.Filter, operation.Filter != "")
	put("arguments", operation.Arguments, len(operation.Arguments) > 0)
	put("select", operation.Select, operation.Select != "")
	put("order", operation.Order, operation.Order != "")
	put("limit", operation.Limit, operation.Limit != nil)
	put("offset", operation.Offset, operation.Offset != 0)
	put("rows", operation.Rows, operation.Rows != nil)
	put("set", operation.Set, operation.Set != nil)
	put("from", operation.From, len(operation.From) > 0)
	put("resolution", operation.OnConflict+"-duplicates", operation.OnConflict != "")
	put("on_conflict", columnList(operation.ConflictColumns), len(operation.ConflictColumns) > 0)
	put("matches", operation.Matches, operation.Matches != nil)
	if operation.IfVersion != nil {
		form["if_version"] = text(*operation.IfVersion)
	}
	return form
}

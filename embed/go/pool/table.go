package pool

import (
	"context"
	"encoding/json"
)

// Rows are rows as a JSON array of objects, with all digits of their numbers and the columns in the order of the select.
type Rows []byte

// Decode reads the rows into a slice, as json.Unmarshal does.
func (rows Rows) Decode(into any) error {
	if rows == nil {
		return nil
	}
	return json.Unmarshal(rows, into)
}

// Row is one row as a JSON object.
type Row struct {
	// JSON is the object, with the columns that were selected.
	JSON json.RawMessage
	// Version is the commit that wrote the row; 0 if the open transaction did.
	Version uint64
}

// Decode reads the row, as json.Unmarshal does.
func (row Row) Decode(into any) error { return json.Unmarshal(row.JSON, into) }

// Query says which rows, and what of them. The texts are PostgREST's, without percent-encoding.
type Query struct {
	// Filter has conditions, joined by "&": "status=eq.paid&n=gt.$1", "or=(a.eq.1,b.eq.$2)". Values that are not yours
	// go into Arguments, which stand for $1, $2 and so on: they need no quoting. A slice is the list of "in.$1".
	Filter    string
	Arguments []any
	// Select has the columns, and embedded tables: "title,writers(name)". Default: all columns.
	Select string
	// Order is such as "price.desc,id".
	Order string
	// Limit is the number of rows, if it is not nil.
	Limit *uint64
	// Offset is the number of rows that are passed over.
	Offset uint64
}

// Limit returns a limit for Query.
func Limit(rows uint64) *uint64 { return &rows }

// WriteOptions say what a write of rows demands and shows.
type WriteOptions struct {
	// Returning is the select that shows the written rows, "*" for all columns. Without it they are not shown.
	Returning string
	// Order is the order in which they are shown, for Update and Delete.
	Order string
	// Columns are those that the rows name, for Insert, Upsert and UpdateMany. Others of theirs are ignored. Default:
	// all members.
	Columns []string
	// IfVersion is the version that the row must have, for UpdateRow and DeleteRow, if it is not nil.
	IfVersion *uint64
	// IgnoreDuplicates leaves rows that exist as they are, for Upsert.
	IgnoreDuplicates bool
	// OnConflict has the columns of the key that decides what exists, for Upsert. Default: the primary key.
	OnConflict []string
}

// RowsWritten is the outcome of a write of rows.
type RowsWritten struct {
	Written
	// Count is the number of rows.
	Count uint64
	// Rows are those that were written, if they were asked for.
	Rows Rows
}

// rowWriting is a write of rows as transports take it.
type rowWriting struct {
	table, verb string // insert, merge, ignore, update, update-many, delete
	// key is that of one row, if it is not nil.
	key     []any
	query   Query
	body    []byte
	options WriteOptions
}

// Table is the rows of a table, on a connection or in a transaction.
type Table struct {
	name  string
	scope scope
}

// Table returns the rows of a table.
func (connection *PooledConnection) Table(name string) *Table {
	return &Table{name: name, scope: scope{connection: connection}}
}

// Name returns the table's name.
func (table *Table) Name() string { return table.name }

// Get returns the row with this primary key: ErrNotFound if there is none.
func (table *Table) Get(ctx context.Context, key ...any) (Row, error) {
	return table.GetSelect(ctx, "", key...)
}

// GetSelect returns what a select shows of the row with this primary key.
func (table *Table) GetSelect(ctx context.Context, selected string, key ...any) (Row, error) {
	return within(table.scope, func(session session) (Row, error) {
		return session.getRow(ctx, table.name, key, selected)
	})
}

// Select returns the rows that a query selects.
func (table *Table) Select(ctx context.Context, query Query) (Rows, error) {
	return within(table.scope, func(session session) (Rows, error) {
		return session.selectRows(ctx, table.name, query)
	})
}

// Count returns the number of rows that Select would return.
func (table *Table) Count(ctx context.Context, query Query) (uint64, error) {
	return within(table.scope, func(session session) (uint64, error) {
		return session.countRows(ctx, table.name, query)
	})
}

// Explain returns the plan of a query, in PostgreSQL's words.
func (table *Table) Explain(ctx context.Context, query Query) (string, error) {
	return within(table.scope, func(session session) (string, error) {
		return session.explainRows(ctx, table.name, query)
	})
}

// Insert inserts rows, all or none: an object or a list, as anything that encodes to such JSON. What a row does not name
// gets its default.
func (table *Table) Insert(ctx context.Context, rows any, options WriteOptions) (RowsWritten, error) {
	return table.write(ctx, rowWriting{verb: "insert", options: options}, rows)
}

// Upsert inserts rows, and updates or ignores those that exist.
func (table *Table) Upsert(ctx context.Context, rows any, options WriteOptions) (RowsWritten, error) {
	verb := "merge"
	if options.IgnoreDuplicates {
		verb = "ignore"
	}
	return table.write(ctx, rowWriting{verb: verb, options: options}, rows)
}

// Update gives all rows that a query's filter selects the values of an object. It needs a filter.
func (table *Table) Update(ctx context.Context, query Query, set any, options WriteOptions) (RowsWritten, error) {
	return table.write(ctx, rowWriting{verb: "update", query: query, options: options}, set)
}

// UpdateRow gives the row with this primary key the values of an object.
func (table *Table) UpdateRow(ctx context.Context, set any, options WriteOptions, key ...any) (RowsWritten, error) {
	return table.write(ctx, rowWriting{verb: "update", key: keyOf(key), options: options}, set)
}

// UpdateMany gives each row that an object of the list names by its primary key its own values, in one commit.
func (table *Table) UpdateMany(ctx context.Context, rows any, options WriteOptions) (RowsWritten, error) {
	return table.write(ctx, rowWriting{verb: "update-many", options: options}, rows)
}

// Delete deletes the rows that a query's filter selects. It needs a filter.
func (table *Table) Delete(ctx context.Context, query Query, options WriteOptions) (RowsWritten, error) {
	return table.write(ctx, rowWriting{verb: "delete", query: query, options: options}, nil)
}

// DeleteRow deletes the row with this primary key.
func (table *Table) DeleteRow(ctx context.Context, options WriteOptions, key ...any) (RowsWritten, error) {
	return table.write(ctx, rowWriting{verb: "delete", key: keyOf(key), options: options}, nil)
}

// keyOf tells one row from all of them, also where the key is empty by mistake.
func keyOf(key []any) []any {
	if key == nil {
		return []any{}
	}
	return key
}

func (table *Table) write(ctx context.Context, writing rowWriting, body any) (RowsWritten, error) {
	writing.table = table.name
	if body != nil {
		encoded, err := encodeJSON(body)
		if err != nil {
			return RowsWritten{}, err
		}
		writing.body = encoded
	}
	return within(table.scope, func(session session) (RowsWritten, error) { return session.writeRows(ctx, writing) })
}

// CreateTable makes a table, or confirms that it is there with this definition: it tells whether it was new. The
// definition is anything that encodes to the JSON of the reference.
func (connection *PooledConnection) CreateTable(ctx context.Context, name string, definition any) (bool, error) {
	body, err := encodeJSON(definition)
	if err != nil {
		return false, err
	}
	return within(scope{connection: connection}, func(session session) (bool, error) {
		return session.createTable(ctx, name, body)
	})
}

// AlterTable alters a table: all of the changes or none.
func (connection *PooledConnection) AlterTable(ctx context.Context, name string, changes any) error {
	body, err := encodeJSON(changes)
	if err != nil {
		return err
	}
	return connection.define(func(session session) error { return session.alterTable(ctx, name, body) })
}

// DropTable removes a table with its rows.
func (connection *PooledConnection) DropTable(ctx context.Context, name string) error {
	return connection.define(func(session session) error { return session.dropTable(ctx, name) })
}

func (connection *PooledConnection) define(work func(session) error) error {
	_, err := within(scope{connection: connection}, func(session session) (struct{}, error) {
		return struct{}{}, work(session)
	})
	return err
}

// DescribeTable returns a table's definition as JSON.
func (connection *PooledConnection) DescribeTable(ctx context.Context, name string) (json.RawMessage, error) {
	return within(scope{connection: connection}, func(session session) (json.RawMessage, error) {
		return session.describeTable(ctx, name)
	})
}

// Tables returns the names of all tables, in order.
func (connection *PooledConnection) Tables(ctx context.Context) ([]string, error) {
	return within(scope{connection: connection}, func(session session) ([]string, error) {
		return session.tables(ctx)
	})
}

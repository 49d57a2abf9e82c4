package pool

import (
	"context"
	"fmt"
)

// Column is a column of fetched rows.
type Column struct {
	// Name is the column's name, or the one that the query gives it.
	Name string
	// Type is PostgreSQL's name of the type, without a length: "bigint", "timestamp with time zone", "integer[]". Embedded
	// rows are "jsonb".
	Type string
}

// FetchedRows goes through rows as values: Next, then Scan or Values, and Err at the end. The rows are all of one
// commit, and in memory: nothing has to be closed, and the connection may be used for something else.
type FetchedRows struct {
	columns []Column
	page    reader
	row     reader
	version uint64
	isRow   bool
	isEnd   bool
	err     error
}

// Fetch returns the rows that a query selects as values of their types, in the library's packed form on both ways to a
// database.
func (table *Table) Fetch(ctx context.Context, query Query) (*FetchedRows, error) {
	return within(table.scope, func(session session) (*FetchedRows, error) {
		data, err := session.fetchRows(ctx, table.name, query)
		if err != nil {
			return nil, err
		}
		return unpackRows(data)
	})
}

// Columns returns the columns, also where there are no rows.
func (rows *FetchedRows) Columns() []Column { return rows.columns }

// Next goes to the next row, and tells whether there is one.
func (rows *FetchedRows) Next() bool {
	if rows.err == nil && !rows.isEnd {
		rows.isRow = rows.nextRow()
	} else {
		rows.isRow = false
	}
	return rows.isRow
}

// Version returns the commit that wrote the row: 0 for a group, and where the open transaction did. It is what IfVersion
// of WriteOptions takes.
func (rows *FetchedRows) Version() uint64 { return rows.version }

// Err returns the error that ended Next, if it was not the end of the rows.
func (rows *FetchedRows) Err() error { return rows.err }

// Scan copies the row's values into the places that the destinations point to, one for each column. It may be called
// again. A value goes into what holds all of it:
//
//   - any value into *any, as Values has it, and into what has a method Scan(any) error, such as sql.NullString
//   - integers into any integer that they fit, and into floats that have them exactly
//   - real and double precision into floats; a double into *float32 only where that has it exactly
//   - numeric into *Numeric, *string, and *float64, as the nearest number
//   - text into *string and *[]byte, jsonb into *json.RawMessage, *[]byte and *string, bytea into *[]byte
//   - timestamps and dates into *time.Time, in UTC; infinity does not go there
//   - time into *time.Duration since midnight; uuid into *UUID, *[16]byte and *string
//   - arrays into slices, of as many dimensions
//
// Null goes into pointers, which become nil, slices, *any and those methods: into anything else it is an error.
func (rows *FetchedRows) Scan(destinations ...any) error {
	if !rows.isRow {
		return invalid("Scan is for a row: call Next before")
	}
	if len(destinations) != len(rows.columns) {
		return invalid(fmt.Sprintf("Scan has %d destinations for %d columns", len(destinations), len(rows.columns)))
	}
	row := rows.row
	for index, destination := range destinations {
		value := row.value()
		if row.isBroken {
			return errPacked
		}
		if err := value.scanInto(destination); err != nil {
			column := rows.columns[index]
			return wrongScan(fmt.Sprintf("column %q (%s): %v", column.Name, column.Type, err), err)
		}
	}
	return nil
}

// Values returns the row's values: nil for null, bool, int64 for integers of every size, float32, float64, Numeric,
// string, []byte for bytea, json.RawMessage for jsonb, time.Time for timestamps and dates, or Infinity, time.Duration
// for time, UUID, and []any for arrays, one in the other for each dimension.
func (rows *FetchedRows) Values() ([]any, error) {
	if !rows.isRow {
		return nil, invalid("Values is for a row: call Next before")
	}
	row, values := rows.row, make([]any, len(rows.columns))
	for index := range values {
		value := row.value()
		read, err := value.read()
		if row.isBroken || err != nil {
			return nil, errPacked
		}
		values[index] = read
	}
	return values, nil
}

func wrongScan(message string, cause error) error {
	err := invalid(message)
	err.cause = cause
	return err
}

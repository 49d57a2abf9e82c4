package pool

import (
	"errors"
	"testing"
)

type book struct {
	ID    int64  `json:"id"`
	Title string `json:"title"`
	Pages *int   `json:"pages"`
}

const books = `{"columns": [{"name": "id", "type": "bigint", "identity": true},
	{"name": "title", "type": "text", "nullable": false}, {"name": "pages", "type": "integer"}], "primary_key": ["id"]}`

func TestRowsAreWrittenAndRead(t *testing.T) {
	connection := acquire(t, connect(t, nil))
	isNew, err := connection.CreateTable(background, "books", Rows(books))
	check(t, err)
	if !isNew {
		t.Error("the table was there")
	}
	defer func() { check(t, connection.DropTable(background, "books")) }()
	table := connection.Table("books")
	titles := []map[string]any{{"title": "Rain", "pages": 120}, {"title": `O'Neill, "Sons" & (more)`, "pages": nil}}
	written, err := table.Insert(background, titles, WriteOptions{Returning: "id,title"})
	check(t, err)
	var made []book
	check(t, written.Rows.Decode(&made))
	if written.Count != 2 || len(made) != 2 || made[0].ID != 1 {
		t.Fatalf("%+v %+v", written, made)
	}
	var found []book
	rows, err := table.Select(background, Query{
		Filter: "or=(title.eq.$1,title.in.$2)", Arguments: []any{titles[1]["title"], []string{"Rain", "Fog"}}, Order: "id",
	})
	check(t, err)
	check(t, rows.Decode(&found))
	if len(found) != 2 || found[1].Title != titles[1]["title"] {
		t.Errorf("%s", rows)
	}
	row, err := table.Get(background, 1)
	check(t, err)
	_, err = table.UpdateRow(background, map[string]any{"pages": 121}, WriteOptions{IfVersion: &row.Version}, 1)
	check(t, err)
	_, err = table.UpdateRow(background, map[string]any{"pages": 122}, WriteOptions{IfVersion: &row.Version}, 1)
	wants(t, err, ErrRefused)
	_, err = table.Get(background, 3)
	wants(t, err, ErrNotFound)
	_, err = table.Insert(background, book{ID: 1, Title: "Twice"}, WriteOptions{})
	if CodeOf(err) != "23505" {
		t.Error(err)
	}
	count, err := table.Count(background, Query{Filter: "pages=is.null"})
	check(t, err)
	if count != 1 {
		t.Error(count)
	}
	_, err = table.Select(background, Query{Filter: "id=eq.$2", Arguments: []any{1}})
	if CodeOf(err) != "42P02" {
		t.Error(err)
	}
}

func TestABatchHoldsKeysAndRowsTogether(t *testing.T) {
	connection := acquire(t, connect(t, nil))
	_, err := connection.CreateTable(background, "ordered", Rows(books))
	check(t, err)
	defer func() { check(t, connection.DropTable(background, "ordered")) }()
	bucket := bucketOf(connection)
	insert := RowOperation{Op: "insert", Table: "ordered", Rows: book{ID: 7, Title: "Rain"}, Select: "id"}
	applied, err := connection.Batch(background, OpIncrement("tea", -2).In(bucket.Name()), insert)
	check(t, err)
	if applied.Results[0].Number != -2 || string(applied.Results[1].Rows) != `[{"id":7}]` {
		t.Errorf("%+v", applied)
	}
	_, err = connection.Batch(background, OpIncrement("tea", -2).In(bucket.Name()),
		RowOperation{Op: "check", Table: "ordered", Filter: "id=eq.8", Matches: Exactly(1)})
	wants(t, err, ErrRefused)
	var refused *Error
	if !errors.As(err, &refused) || refused.Refusals[0].Index != 1 || !refused.Refusals[0].IsOfRows {
		t.Errorf("%+v", refused)
	}
	value, err := bucket.Get(background, "tea")
	check(t, err)
	if string(value) != "-2" {
		t.Errorf("%s", value)
	}
}

// FuzzArguments: whatever a value is, it stays one value in the filter.
func FuzzArguments(f *testing.F) {
	f.Add(`a),b.eq.(c`, `or`)
	f.Add(`"\`, `x`)
	f.Add(`&y=1`, `not.and`)
	f.Fuzz(func(t *testing.T, value, name string) {
		pairs, err := parameters("or=(a.eq.$1,b.eq.1)", []any{value})
		check(t, err)
		if len(pairs) != 1 {
			t.Fatalf("%q", pairs)
		}
		inside := pairs[0].value[len("(a.eq.") : len(pairs[0].value)-len(",b.eq.1)")]
		depth := 0
		for index := 0; index < len(inside); index++ {
			switch inside[index] {
			case '\\':
				index++
			case '"':
				depth++
			}
		}
		if depth != 2 || inside[0] != '"' || inside[len(inside)-1] != '"' {
			t.Fatalf("%q in %q", value, inside)
		}
		// Any text at all is cut into parts without a panic.
		_, _ = parameters(value+"="+name, []any{name})
	})
}

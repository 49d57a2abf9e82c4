package pool

import (
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"
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

// FuzzArguments: whatever a value is, the header of arguments is ASCII, and says that value.
func FuzzArguments(f *testing.F) {
	f.Add(`a),b.eq.(c`, `or`)
	f.Add(`"\`, `x`)
	f.Add("\n\x7f\u00e9\U0001f980", `not.and`)
	f.Fuzz(func(t *testing.T, value, name string) {
		header, err := argumentsHeader([]any{value, []string{name}})
		if err != nil {
			if len(value)+len(name) < argumentsMost/12 {
				t.Fatal(err)
			}
			return
		}
		for _, character := range header.value {
			if character < ' ' || character > '~' {
				t.Fatalf("%q", header.value)
			}
		}
		var said []any
		check(t, json.Unmarshal([]byte(header.value), &said))
		if utf8.ValidString(value) && utf8.ValidString(name) && (said[0] != value || said[1].([]any)[0] != name) {
			t.Fatalf("%q says %q", value, said)
		}
		// Any text at all is cut into parts without a panic.
		_ = parameters(value + "=" + name)
	})
}

// A value is a value in the program and on a server: none is taken for a part of the condition.
func TestArgumentsAreValuesAlone(t *testing.T) {
	connection := acquire(t, connect(t, nil))
	defer func() { _ = connection.DropTable(background, "words") }()
	_, err := connection.CreateTable(background, "words", map[string]any{
		"columns": []any{
			map[string]any{"name": "id", "type": "bigint", "nullable": false},
			map[string]any{"name": "t", "type": "text"},
		},
		"primary_key": []string{"id"},
	})
	check(t, err)
	table := connection.Table("words")
	_, err = table.Insert(background, []map[string]any{
		{"id": 1, "t": "a"}, {"id": 2, "t": nil}, {"id": 3, "t": "null"}, {"id": 4, "t": "(1,2)"}, {"id": 5, "t": "é \U0001f980 \"x\", y"},
	}, WriteOptions{})
	check(t, err)
	for _, one := range []struct {
		filter    string
		arguments []any
		want      uint64
	}{
		{"t=eq.$1", []any{nil}, 0},
		{"t=neq.$1", []any{nil}, 0},
		{"t=eq.$1", []any{(*string)(nil)}, 0},
		{"t=isdistinct.$1", []any{nil}, 4},
		{"t=eq.$1", []any{"null"}, 1},
		{"t=eq.$1", []any{"(1,2)"}, 1},
		{"t=eq.$1", []any{"é \U0001f980 \"x\", y"}, 1},
		{"or=(t.eq.$1,id.eq.$2)", []any{"a),id.gt.(0", 3}, 1},
		{"t=in.$1", []any{[]string{"a", "(1,2)", `"`}}, 2},
		{"id=in.$1", []any{[]int{1, 2, 9}}, 2},
		{"id=gte.$1", []any{json.RawMessage("4.0")}, 2},
		{"id=gte.$1", []any{json.Number("4.0")}, 2},
		{"id=gte.$1", []any{4.0}, 2},
		{"t=eq.\"$1\"&id=gt.$1", []any{0}, 0},
	} {
		query := Query{Filter: one.filter, Arguments: one.arguments}
		count, err := table.Count(background, query)
		if err != nil || count != one.want {
			t.Errorf("%s %v: %d, where %d was expected: %v", one.filter, one.arguments, count, one.want, err)
		}
		fetched, err := table.Fetch(background, query)
		check(t, err)
		rows := uint64(0)
		for fetched.Next() {
			rows++
		}
		if fetched.Err() != nil || rows != one.want {
			t.Errorf("%s %v: fetched %d: %v", one.filter, one.arguments, rows, fetched.Err())
		}
	}
	// A text is no list.
	if _, err := table.Count(background, Query{Filter: "id=in.$1", Arguments: []any{"(1,2)"}}); CodeOf(err) != "22P02" {
		t.Error(err)
	}
	deleted, err := table.Delete(background, Query{Filter: "t=neq.$1", Arguments: []any{nil}}, WriteOptions{})
	if err != nil || deleted.Count != 0 {
		t.Error(deleted, err)
	}
	updated, err := table.Update(background, Query{Filter: "t=eq.$1", Arguments: []any{"null"}}, map[string]any{"t": "b"}, WriteOptions{})
	if err != nil || updated.Count != 1 {
		t.Error(updated, err)
	}
}

package pool

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

// typed is a definition with a column of every type: its name is the type's, without what no name has.
func typed(types ...string) Rows {
	columns := []string{`{"name": "id", "type": "bigint"}`}
	for _, one := range types {
		columns = append(columns, fmt.Sprintf(`{"name": %q, "type": %q}`, columnOf(one), one))
	}
	return Rows(`{"columns": [` + strings.Join(columns, ",") + `], "primary_key": ["id"]}`)
}

func columnOf(typeName string) string {
	return strings.NewReplacer("[]", "s", "(", "", ")", "", " ", "", ",", "").Replace(typeName)
}

func utc(year int, month time.Month, day, hour, minute, second, micro int) time.Time {
	return time.Date(year, month, day, hour, minute, second, micro*1000, time.UTC)
}

// Over HTTP and in the program: the same values, with every digit.
func TestValuesOfEveryTypeAreExact(t *testing.T) {
	connection := acquire(t, connect(t, nil))
	types := []string{
		"boolean", "smallint", "integer", "bigint", "real", "double precision", "numeric", "numeric(40,2)", "text", "varchar(9)",
		"char(4)", "bytea", "date", "time", "timestamp", "timestamptz", "uuid", "jsonb", "boolean[]", "bigint[]", "real[]",
		"numeric[]", "text[]", "bytea[]", "date[]", "timestamptz[]", "uuid[]", "jsonb[]",
	}
	_, err := connection.CreateTable(background, "typed", typed(types...))
	check(t, err)
	defer func() { check(t, connection.DropTable(background, "typed")) }()
	table := connection.Table("typed")
	digits := strings.Repeat("9", 60) + "." + strings.Repeat("0123456789", 5)
	uuid := UUID{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	type one struct {
		column string
		json   string
		value  any
	}
	rows := [][]one{{ // The least, or the empty.
		{"boolean", `false`, false}, {"smallint", `-32768`, int64(math.MinInt16)},
		{"integer", `-2147483648`, int64(math.MinInt32)}, {"bigint", `-9223372036854775808`, int64(math.MinInt64)},
		{"real", `-3.4028235e38`, float32(-math.MaxFloat32)},
		{"doubleprecision", `-1.7976931348623157e308`, -math.MaxFloat64},
		{"numeric", "-" + digits, Numeric("-" + digits)}, {"numeric402", `0`, Numeric("0.00")},
		{"text", `""`, ""}, {"varchar9", `""`, ""}, {"char4", `""`, "    "}, {"bytea", `"\\x"`, []byte{}},
		{"date", `"4713-01-01 BC"`, utc(-4712, 1, 1, 0, 0, 0, 0)}, {"time", `"00:00:00"`, time.Duration(0)},
		{"timestamp", `"4713-01-01 00:00:00 BC"`, utc(-4712, 1, 1, 0, 0, 0, 0)},
		{"timestamptz", `"-infinity"`, Infinity(-1)}, {"uuid", `"00000000-0000-0000-0000-000000000000"`, UUID{}},
		{"jsonb", `null`, nil}, {"booleans", `[]`, []any{}},
		{"bigints", `[-9223372036854775808, null]`, []any{int64(math.MinInt64), nil}},
	}, { // The greatest.
		{"boolean", `true`, true}, {"smallint", `32767`, int64(math.MaxInt16)}, {"integer", `2147483647`, int64(math.MaxInt32)},
		{"bigint", `9223372036854775807`, int64(math.MaxInt64)}, {"real", `3.4028235e38`, float32(math.MaxFloat32)},
		{"doubleprecision", `1.7976931348623157e308`, math.MaxFloat64}, {"numeric", digits, Numeric(digits)},
		{"numeric402", `12345678901234567890123456789012345678.1`, Numeric("12345678901234567890123456789012345678.10")},
		{"text", `"ä\"\\\n\u0001 \ud83d\ude00"`, "ä\"\\\n\x01 😀"}, {"varchar9", `"ninechars"`, "ninechars"},
		{"char4", `"ab"`, "ab  "}, {"bytea", `"\\x00ff5c78"`, []byte("\x00\xff\\x")},
		{"date", `"9999-12-31"`, utc(9999, 12, 31, 0, 0, 0, 0)}, {"time", `"24:00:00"`, 24 * time.Hour},
		{"timestamp", `"9999-12-31 23:59:59.999999"`, utc(9999, 12, 31, 23, 59, 59, 999999)},
		{"timestamptz", `"2000-02-29T12:00:00.000001+05:30"`, utc(2000, 2, 29, 6, 30, 0, 1)},
		{"uuid", `"00112233-4455-6677-8899-AABBCCDDEEFF"`, uuid},
		{"jsonb", `{"b": [1.10, null, "ä"], "a": 1e2}`, json.RawMessage(`{"a": 100, "b": [1.10, null, "ä"]}`)},
		{"booleans", `[[true, null], [false, true]]`, []any{[]any{true, nil}, []any{false, true}}},
		{"bigints", `[9223372036854775807]`, []any{int64(math.MaxInt64)}}, {"reals", `[0.1]`, []any{float32(0.1)}},
		{"numerics", `[1.10, "NaN"]`, []any{Numeric("1.10"), Numeric("NaN")}},
		{"texts", `["", "a,b", null, "NULL", "{\"}"]`, []any{"", "a,b", nil, "NULL", `{"}`}},
		{"byteas", `["\\x00"]`, []any{[]byte{0}}}, {"dates", `["infinity"]`, []any{Infinity(1)}},
		{"timestamptzs", `["1969-12-31T23:59:59.999999Z"]`, []any{utc(1969, 12, 31, 23, 59, 59, 999999)}},
		{"uuids", `["00112233-4455-6677-8899-aabbccddeeff"]`, []any{uuid}},
		{"jsonbs", `[{"a": 1}, "x"]`, []any{json.RawMessage(`{"a": 1}`), json.RawMessage(`"x"`)}},
	}, { // Others that are lost easily.
		{"real", `1e-45`, float32(math.SmallestNonzeroFloat32)}, {"doubleprecision", `5e-324`, math.SmallestNonzeroFloat64},
		{"numeric", `"NaN"`, Numeric("NaN")}, {"bigint", `9007199254740993`, int64(1<<53 + 1)},
		{"date", `"-infinity"`, Infinity(-1)}, {"timestamp", `"infinity"`, Infinity(1)},
		{"text", `"\\x41"`, `\x41`}, {"jsonb", `"\\x41"`, json.RawMessage(`"\\x41"`)},
		{"time", `"23:59:59.999999"`, 24*time.Hour - time.Microsecond},
	}}
	var written []string
	for id, row := range rows {
		members := []string{fmt.Sprintf(`"id": %d`, id)}
		for _, value := range row {
			members = append(members, fmt.Sprintf("%q: %s", value.column, value.json))
		}
		written = append(written, "{"+strings.Join(members, ",")+"}")
	}
	commit, err := table.Insert(background, Rows("["+strings.Join(written, ",")+"]"), WriteOptions{})
	check(t, err)

	fetched, err := table.Fetch(background, Query{Order: "id"})
	check(t, err)
	columns := fetched.Columns()
	if len(columns) != len(types)+1 {
		t.Fatalf("%v", columns)
	}
	for index, column := range columns[1:] {
		want := strings.NewReplacer("varchar", "character varying", "char(", "character(", "timestamptz", "timestamp with time zone",
			"timestamp", "timestamp without time zone").Replace(types[index])
		switch column.Name {
		case "timestamptz", "timestamptzs":
			want = strings.Replace(types[index], "timestamptz", "timestamp with time zone", 1)
		case "time":
			want = "time without time zone"
		}
		want = strings.NewReplacer("(40,2)", "", "(9)", "", "(4)", "").Replace(want)
		if column.Name != columnOf(types[index]) || column.Type != want {
			t.Errorf("%+v is not %s", column, want)
		}
	}
	for id, row := range rows {
		if !fetched.Next() {
			t.Fatal(fetched.Err())
		}
		want := make([]any, len(columns))
		want[0] = int64(id)
		for _, value := range row {
			for index, column := range columns {
				if column.Name == value.column {
					want[index] = value.value
				}
			}
		}
		values, err := fetched.Values()
		check(t, err)
		for index, value := range values {
			if !reflect.DeepEqual(value, want[index]) {
				t.Errorf("row %d, %s: %#v is not %#v", id, columns[index].Name, value, want[index])
			}
		}
		if fetched.Version() != commit.Version {
			t.Errorf("version %d is not %d", fetched.Version(), commit.Version)
		}
	}
	if fetched.Next() || fetched.Err() != nil {
		t.Error("there are more rows", fetched.Err())
	}
}

func TestScanTakesWhatHoldsTheValue(t *testing.T) {
	connection := acquire(t, connect(t, nil))
	_, err := connection.CreateTable(background, "scanned", typed("text", "integer", "numeric", "double precision", "jsonb",
		"timestamptz", "time", "uuid", "bytea", "text[]", "integer[]"))
	check(t, err)
	defer func() { check(t, connection.DropTable(background, "scanned")) }()
	table := connection.Table("scanned")
	_, err = table.Insert(background, Rows(`[{"id": 1, "text": "a", "integer": 300, "numeric": 1.50, "doubleprecision": 0.1,
		"jsonb": [1], "timestamptz": "2001-02-03T04:05:06Z", "time": "01:02:03.5", "bytea": "\\x01",
		"uuid": "00112233-4455-6677-8899-aabbccddeeff", "texts": ["a", null], "integers": [[1, 2], [3, 4]]}, {"id": 2}]`),
		WriteOptions{})
	check(t, err)
	rows, err := table.Fetch(background, Query{Order: "id"})
	check(t, err)
	wants(t, rows.Scan(), invalid(""))
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	type name string
	var (
		id       uint8
		title    name
		count    *int16
		price    float64
		ratio    float64
		document json.RawMessage
		when     time.Time
		since    time.Duration
		uuid     string
		data     []byte
		texts    []*string
		numbers  [][]int
	)
	check(t, rows.Scan(&id, &title, &count, &price, &ratio, &document, &when, &since, &uuid, &data, &texts, &numbers))
	if id != 1 || title != "a" || *count != 300 || price != 1.5 || ratio != 0.1 || string(document) != "[1]" ||
		!when.Equal(utc(2001, 2, 3, 4, 5, 6, 0)) || since != time.Hour+2*time.Minute+3500*time.Millisecond ||
		uuid != "00112233-4455-6677-8899-aabbccddeeff" || string(data) != "\x01" || *texts[0] != "a" || texts[1] != nil ||
		!reflect.DeepEqual(numbers, [][]int{{1, 2}, {3, 4}}) {
		t.Error(id, title, *count, price, ratio, string(document), when, since, uuid, data, texts, numbers)
	}
	var all [12]any
	into := make([]any, len(all))
	for index := range all {
		into[index] = &all[index]
	}
	scan := func(column int, destination any) error {
		places := append([]any{}, into...)
		places[column] = destination
		return rows.Scan(places...)
	}
	var (
		text    sql.NullString
		integer sql.NullInt64
		moment  sql.NullTime
		any2    []any
	)
	for column, destination := range map[int]any{1: &text, 2: &integer, 6: &moment, 11: &any2} {
		check(t, scan(column, destination))
	}
	if text.String != "a" || integer.Int64 != 300 || !moment.Time.Equal(when) || len(any2) != 2 ||
		!reflect.DeepEqual(any2[1], []any{int64(3), int64(4)}) {
		t.Error(text, integer, moment, any2)
	}
	var number Numeric
	check(t, scan(3, &number))
	if number != "1.50" {
		t.Error(number)
	}
	for _, wrong := range []struct {
		column      int
		destination any
	}{
		{1, new(int)}, {2, new(int8)}, {2, new(string)}, {2, new(bool)}, {3, new(int)}, {4, new(float32)}, {4, new(int)},
		{5, new(int)}, {6, new(string)}, {7, new(int64)}, {8, new(time.Time)}, {9, new(string)}, {10, new([]string)},
		{10, new(string)}, {11, new([]int)}, {11, new([][]int8)}, {2, 3}, {2, nil}, {2, (*int)(nil)},
	} {
		err := scan(wrong.column, wrong.destination)
		if wrong.column == 11 && err == nil {
			continue // [][]int8 holds them.
		}
		if CodeOf(err) != "argument-invalid" {
			t.Errorf("column %d goes into %T: %v", wrong.column, wrong.destination, err)
		}
	}
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	check(t, scan(1, &text))
	check(t, scan(2, &count))
	check(t, scan(10, &texts))
	if text.Valid || count != nil || texts != nil || all[1] != nil {
		t.Error(text, count, texts, all)
	}
	if err := scan(2, new(int)); CodeOf(err) != "argument-invalid" || !strings.Contains(err.Error(), `"integer" (integer)`) {
		t.Error(err)
	}
}

func TestFetchShowsAggregatesEmbedsAndOpenTransactions(t *testing.T) {
	connection := acquire(t, connect(t, nil))
	_, err := connection.CreateTable(background, "fetched", typed("text", "numeric"))
	check(t, err)
	defer func() { check(t, connection.DropTable(background, "fetched")) }()
	_, err = connection.CreateTable(background, "fetched_parts", Rows(`{"columns": [{"name": "id", "type": "bigint"},
		{"name": "whole", "type": "bigint"}], "primary_key": ["id"],
		"foreign_keys": [{"columns": ["whole"], "references": {"table": "fetched", "columns": ["id"]}}]}`))
	check(t, err)
	defer func() { check(t, connection.DropTable(background, "fetched_parts")) }()
	table := connection.Table("fetched")
	_, err = table.Insert(background, Rows(`[{"id": 1, "text": "a", "numeric": 0.1}, {"id": 2, "text": "b", "numeric": 0.2}]`),
		WriteOptions{})
	check(t, err)
	_, err = connection.Table("fetched_parts").Insert(background, Rows(`{"id": 7, "whole": 2}`), WriteOptions{})
	check(t, err)
	one := func(query Query) ([]Column, []any, uint64) {
		t.Helper()
		rows, err := table.Fetch(background, query)
		check(t, err)
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
		values, err := rows.Values()
		check(t, err)
		return rows.Columns(), values, rows.Version()
	}
	columns, values, version := one(Query{Select: "count(),numeric.sum()"})
	if !reflect.DeepEqual(values, []any{int64(2), Numeric("0.3")}) || version != 0 || columns[0].Type != "bigint" {
		t.Error(columns, values, version)
	}
	columns, values, _ = one(Query{Select: "text,parts:fetched_parts(id)", Filter: "id=eq.$1", Arguments: []any{2}})
	if columns[1] != (Column{"parts", "jsonb"}) || string(values[1].(json.RawMessage)) != `[{"id":7}]` {
		t.Error(columns, values)
	}
	check(t, connection.Update(background, func(transaction *Transaction) error {
		table := transaction.Table("fetched")
		if _, err := table.Insert(background, Rows(`{"id": 3}`), WriteOptions{}); err != nil {
			return err
		}
		rows, err := table.Fetch(background, Query{Filter: "id=eq.3"})
		if err != nil {
			return err
		}
		if !rows.Next() || rows.Version() != 0 {
			t.Error("the transaction's own row", rows.Err(), rows.Version())
		}
		return nil
	}))
	_, err = table.Fetch(background, Query{Select: "none"})
	if CodeOf(err) != "42703" {
		t.Error(err)
	}
	rows, err := table.Fetch(background, Query{Filter: "id=eq.9"})
	check(t, err)
	if rows.Next() || rows.Err() != nil || len(rows.Columns()) != 3 {
		t.Error(rows.Err(), rows.Columns())
	}
}

// Beyond a megabyte a server sends rows in pieces.
func TestManyRowsAreFetched(t *testing.T) {
	connection := acquire(t, connect(t, nil))
	_, err := connection.CreateTable(background, "long", typed("text"))
	check(t, err)
	defer func() { check(t, connection.DropTable(background, "long")) }()
	const most = 3000
	made := make([]map[string]any, most)
	for id := range made {
		made[id] = map[string]any{"id": id, "text": strings.Repeat("x", id%1000)}
	}
	table := connection.Table("long")
	_, err = table.Insert(background, made, WriteOptions{})
	check(t, err)
	rows, err := table.Fetch(background, Query{Order: "id"})
	check(t, err)
	count := 0
	for ; rows.Next(); count++ {
		var id int
		var text string
		check(t, rows.Scan(&id, &text))
		if id != count || len(text) != id%1000 {
			t.Fatal(id, len(text))
		}
	}
	check(t, rows.Err())
	if count != most {
		t.Error(count)
	}
}

// packedRows are two columns and a row of an integer and an array.
func packedRows() []byte {
	var out []byte
	numbers := func(numbers ...byte) {
		for _, number := range numbers {
			out = append(out, number, 0, 0, 0)
		}
	}
	numbers(2, 4, 1)
	out = append(out, 'i')
	numbers(3, 1)
	out[len(out)-7] = 1 // An array.
	out = append(out, 'a')
	numbers(9+5+4+8+1, 7, 0)
	out = append(out, isInteger, 5, 0, 0, 0, 0, 0, 0, 0, isArray)
	numbers(4 + 8 + 1)
	numbers(1, 1, 1)
	return append(out, isTrue, 255, 255, 255, 255)
}

func TestPackedRowsThatAreCutAreFoundOut(t *testing.T) {
	whole := packedRows()
	for cut := 0; cut <= len(whole); cut++ {
		rows, err := unpackRows(whole[:cut])
		if err == nil {
			for rows.Next() {
				if _, err := rows.Values(); err != nil {
					t.Error(cut, err)
				}
			}
			err = rows.Err()
		}
		if (err == nil) != (cut == len(whole)) {
			t.Errorf("%d bytes of %d: %v", cut, len(whole), err)
		}
	}
}

// FuzzRows: no packed rows make a reader panic or hold more than they have.
func FuzzRows(f *testing.F) {
	f.Add(packedRows())
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := unpackRows(data)
		if err != nil {
			return
		}
		for rows.Next() {
			values, err := rows.Values()
			into := make([]any, len(rows.Columns()))
			for index := range into {
				into[index] = new([]string)
			}
			_ = rows.Scan(into...)
			if len(into) > 0 {
				into[0] = new(time.Time)
				_ = rows.Scan(into...)
			}
			if err == nil && len(values) > len(data) {
				t.Fatalf("%d values from %d bytes", len(values), len(data))
			}
		}
	})
}

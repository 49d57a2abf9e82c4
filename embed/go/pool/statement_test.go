package pool

import (
	"encoding/json"
	"testing"
)

func TestBatchesAreWrittenInOneForm(t *testing.T) {
	version := uint64(7)
	for want, operation := range map[string]BatchOperation{
		`{"if_version":"7","key":{"base64":"aw=="},"op":"delete"}`:        OpDeleteIf("k", IfVersion(7)),
		`{"absent":true,"key":{"base64":"aw=="},"op":"check"}`:            OpCheck("k", IfAbsent()),
		`{"bucket":"b","by":-1,"key":{"base64":"aw=="},"op":"increment"}`: OpIncrement("k", -1).In("b"),
		`{"op":"delete-span","prefix":{"base64":"aw=="}}`:                 OpDeleteSpan(Span{Prefix: "k"}),
		`{"end":{"base64":"aw=="},"op":"delete-span"}`:                    OpDeleteSpan(Span{End: "k"}),
		`{"op":"delete-span"}`:                                            OpDeleteSpan(Span{}),
		`{"if_version":"7","matches":{"min":1,"max":1},"op":"check","table":"t"}`: RowOperation{
			Op: "check", Table: "t", IfVersion: &version, Matches: Exactly(1),
		},
		`{"on_conflict":"a","op":"insert","resolution":"merge-duplicates","rows":{"a":1},"table":"t"}`: RowOperation{
			Op: "insert", Table: "t", Rows: map[string]int{"a": 1}, OnConflict: "merge", ConflictColumns: []string{"a"},
		},
	} {
		forms, err := batchForms([]BatchOperation{operation})
		check(t, err)
		if written, err := encodeJSON(forms[0]); err != nil || string(written) != want {
			t.Errorf("%s, where %s was expected: %v", written, want, err)
		}
	}
}

func TestResultsOfTheLibraryAreRead(t *testing.T) {
	operations := []BatchOperation{OpGet("k"), OpIncrement("n", 1), RowOperation{Op: "insert"}, RowOperation{Op: "delete"}}
	results, err := readBatchResults([]byte(`[{"value":"v","version":"3"},{"value":2},
		{"inserted":1,"updated":2,"rows":[{"a":1.10}]},{"deleted":4}]`), operations)
	check(t, err)
	if string(results[0].Entry.Value) != "v" || results[0].Entry.Version != 3 || results[1].Number != 2 ||
		results[2].Inserted != 1 || results[2].Updated != 2 || string(results[2].Rows) != `[{"a":1.10}]` ||
		results[3].Deleted != 4 {
		t.Errorf("%+v", results)
	}
	refusals, err := readRefusals([]byte(`[{"index":1,"bucket":"b","key":"k","version":null},
		{"index":2,"table":"t","matched":5},{"index":3,"bucket":"b","key":"k","version":"9"}]`))
	check(t, err)
	want := []Refusal{{Index: 1}, {Index: 2, IsOfRows: true, Matched: 5}, {Index: 3, Exists: true, Version: 9}}
	for index := range want {
		if refusals[index] != want[index] {
			t.Errorf("%+v", refusals[index])
		}
	}
}

func TestListsGoIntoTheFilter(t *testing.T) {
	filter, arguments := localArguments("a=in.$1&b=eq.$2&c=eq.\"$1\"", []any{[]string{"x", `y"`}, json.RawMessage("1.10")})
	if filter != `a=in.("x","y\"")&b=eq.$2&c=eq."$1"` || arguments[0] != nil {
		t.Errorf("%s %v", filter, arguments)
	}
	if number, is := arguments[1].(map[string]string); !is || number["number"] != "1.10" {
		t.Errorf("%v", arguments)
	}
}

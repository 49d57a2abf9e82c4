package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/mantisdb/mantisdb/embed/go/pool"
)

// What the scenarios' data has in forms of its own.

// data is bytes: "text", {"base64": ".."} or {"repeat": ["x", 4096]}.
type data string

func (value *data) UnmarshalJSON(from []byte) error {
	if from[0] == '"' {
		var text string
		err := json.Unmarshal(from, &text)
		*value = data(text)
		return err
	}
	var form struct {
		Base64 []byte
		Repeat []json.RawMessage
	}
	if err := json.Unmarshal(from, &form); err != nil {
		return err
	}
	if form.Repeat == nil {
		*value = data(form.Base64)
		return nil
	}
	var text string
	var count int
	if err := json.Unmarshal(form.Repeat[0], &text); err != nil {
		return err
	}
	err := json.Unmarshal(form.Repeat[1], &count)
	*value = data(strings.Repeat(text, count))
	return err
}

// integer is a number, or {"integer": ".."}.
type integer int64

func (number *integer) UnmarshalJSON(from []byte) error {
	if from[0] == '{' {
		var form struct{ Integer json.Number }
		if err := json.Unmarshal(from, &form); err != nil {
			return err
		}
		from = []byte(form.Integer)
	}
	if _, err := fmt.Sscan(string(from), (*int64)(number)); err != nil {
		return err
	}
	return nil
}

// condition is "anything", "absent", "present" or {"version": 7}.
type condition pool.Condition

func (value *condition) UnmarshalJSON(from []byte) error {
	switch string(from) {
	case `"anything"`:
		*value = condition{}
	case `"absent"`:
		*value = condition(pool.IfAbsent())
	case `"present"`:
		*value = condition(pool.IfPresent())
	default:
		var form struct{ Version integer }
		if err := json.Unmarshal(from, &form); err != nil {
			return err
		}
		*value = condition(pool.IfVersion(uint64(form.Version)))
	}
	return nil
}

// span is "all", {"prefix": ..} or {"between": {..}}.
type span pool.Span

func (value *span) UnmarshalJSON(from []byte) error {
	if string(from) == `"all"` {
		return nil
	}
	var form struct {
		Prefix  data
		Between struct{ Start, End data }
	}
	if err := json.Unmarshal(from, &form); err != nil {
		return err
	}
	*value = span{Prefix: string(form.Prefix), Start: string(form.Between.Start), End: string(form.Between.End)}
	return nil
}

// cursorFrom is null, {"step": name} or {"made-up": data}.
type cursorFrom struct {
	Step   *string
	MadeUp *data `json:"made-up"`
}

// operation has the members of all operations.
type operation struct {
	Op         string
	Key        json.RawMessage // data, or the parts of a row's key
	Keys       []data
	Value      data
	MediaType  string `json:"media_type"`
	TTLMS      *int64 `json:"ttl_ms"`
	If         condition
	By         integer
	MS         uint64
	Span       span
	Reverse    bool
	Limit      *uint64
	Cursor     *cursorFrom
	Since      *cursorFrom
	Of         *string
	Prefix     data
	Ops        []operation
	Bucket     string
	Table      string
	Schema     json.RawMessage
	Changes    json.RawMessage
	Filter     string
	Arguments  []json.RawMessage
	Select     *string
	Order      string
	Offset     uint64
	Columns    []string
	Rows       []json.RawMessage
	Set        json.RawMessage
	OnConflict string   `json:"on_conflict"`
	Conflict   []string `json:"conflict_columns"`
	Returning  *string
	IfVersion  *integer `json:"if_version"`
	From       map[string]pool.Made
	Matches    json.RawMessage
}

func (asked operation) isOfRows() bool {
	return strings.HasSuffix(asked.Op, "-rows") || strings.HasSuffix(asked.Op, "-row")
}

func (asked operation) key() string {
	var key data
	must(json.Unmarshal(asked.Key, &key))
	return string(key)
}

// keyParts are the values of a row's primary key.
func (asked operation) keyParts() []any {
	var parts []json.RawMessage
	must(json.Unmarshal(asked.Key, &parts))
	return values(parts)
}

func (asked operation) setOptions() pool.SetOptions {
	options := pool.SetOptions{MediaType: asked.MediaType, If: pool.Condition(asked.If)}
	if asked.TTLMS != nil {
		options.TTL = time.Duration(*asked.TTLMS) * time.Millisecond
		if options.TTL == 0 {
			options.TTL = -1 // 0 is no time to live in the interface, and here one that is too short.
		}
	}
	return options
}

func (asked operation) version() *uint64 {
	if asked.IfVersion == nil {
		return nil
	}
	version := uint64(*asked.IfVersion)
	return &version
}

// onKey is the operation of a batch.
func (asked operation) onKey() pool.Operation {
	made := pool.Operation{
		Op: asked.Op, Bucket: asked.Bucket, Value: []byte(asked.Value), Options: asked.setOptions(),
		By: int64(asked.By), Span: pool.Span(asked.Span),
	}
	if asked.Op != "delete-span" {
		made.Key = asked.key()
	}
	return made
}

func (asked operation) onRows() pool.RowOperation {
	made := pool.RowOperation{
		Op: asked.Op, Table: asked.Table, Filter: asked.Filter, Arguments: values(asked.Arguments),
		Order: asked.Order, Limit: asked.Limit, Offset: asked.Offset, From: asked.From,
		ConflictColumns: asked.Conflict, IfVersion: asked.version(),
	}
	if asked.Select != nil {
		made.Select = firstText(*asked.Select, "*")
	}
	if asked.Rows != nil {
		made.Rows = rowList(asked.Rows)
	}
	if isGiven(asked.Set) {
		made.Set = exactRow(asked.Set)
	}
	if asked.OnConflict != "fail" {
		made.OnConflict = asked.OnConflict
	}
	if isGiven(asked.Matches) {
		made.Matches = matches(asked.Matches)
	}
	return made
}

func matches(from json.RawMessage) *pool.Matches {
	var count uint64
	if json.Unmarshal(from, &count) == nil {
		return pool.Exactly(count)
	}
	var between pool.Matches
	must(json.Unmarshal(from, &between))
	return &between
}

func isGiven(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

func rowList(rows []json.RawMessage) json.RawMessage {
	parts := make([][]byte, len(rows))
	for index, row := range rows {
		parts[index] = exactRow(row)
	}
	return json.RawMessage("[" + string(bytes.Join(parts, []byte(","))) + "]")
}

// values are arguments: numbers with all digits, texts, lists, or what an earlier operation made.
func values(raw []json.RawMessage) []any {
	made := make([]any, len(raw))
	for index, one := range raw {
		var text string
		var list []json.RawMessage
		switch {
		case json.Unmarshal(one, &text) == nil && one[0] == '"':
			made[index] = text
		case json.Unmarshal(one, &list) == nil && one[0] == '[':
			made[index] = values(list)
		default:
			made[index] = exactRow(one)
		}
	}
	return made
}

// exactRow turns {"number": "1.10"} and {"integer": ".."} into the numbers that they stand for, wherever they are.
func exactRow(raw json.RawMessage) json.RawMessage {
	switch raw[0] {
	case '[':
		var items []json.RawMessage
		must(json.Unmarshal(raw, &items))
		return rowList(items)
	case '{':
		decoder := json.NewDecoder(bytes.NewReader(raw))
		_, err := decoder.Token()
		must(err)
		var members []string
		var single json.RawMessage
		for decoder.More() {
			name, err := decoder.Token()
			must(err)
			var value json.RawMessage
			must(decoder.Decode(&value))
			if name == "number" || name == "integer" {
				single = value
			}
			encoded, err := json.Marshal(name)
			must(err)
			members = append(members, string(encoded)+":"+string(exactRow(value)))
		}
		var digits string
		if len(members) == 1 && single != nil && json.Unmarshal(single, &digits) == nil {
			return json.RawMessage(digits)
		}
		return json.RawMessage("{" + strings.Join(members, ",") + "}")
	}
	return raw
}

func firstText(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

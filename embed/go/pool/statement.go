package pool

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
)

// Statements and batches in the JSON that the library takes, as docs/guides/embed-c.md describes it.

// localForms are the operations of a batch.
func localForms(operations []BatchOperation) ([]any, error) {
	forms := make([]any, len(operations))
	for index, one := range operations {
		switch operation := one.(type) {
		case Operation:
			form, err := operation.localForm()
			if err != nil {
				return nil, err
			}
			forms[index] = form
		case RowOperation:
			form, err := operation.localForm()
			if err != nil {
				return nil, err
			}
			forms[index] = form
		default:
			return nil, invalid("an operation of a batch is an Operation or a RowOperation")
		}
	}
	return forms, nil
}

func (operation Operation) localForm() (map[string]any, error) {
	form, err := operation.form()
	if err != nil {
		return nil, err
	}
	if operation.Bucket != "" {
		form["bucket"] = operation.Bucket
	}
	for _, name := range []string{"absent", "if_version", "prefix", "start", "end"} {
		delete(form, name)
	}
	switch condition := operation.Options.If; condition.kind {
	case absent:
		form["if"] = "absent"
	case present:
		form["if"] = "present"
	case atVersion:
		form["if"] = map[string]uint64{"version": condition.version}
	default:
		if operation.Op == "check" {
			form["if"] = "anything"
		}
	}
	if operation.Op == "delete-span" {
		form["span"] = operation.Span.localForm()
	}
	return form, nil
}

func (span Span) localForm() any {
	bounds := map[string]jsonBytes{}
	switch {
	case span.Prefix != "":
		return map[string]jsonBytes{"prefix": jsonBytes(span.Prefix)}
	case span.Start == "" && span.End == "":
		return "all"
	}
	if span.Start != "" {
		bounds["start"] = jsonBytes(span.Start)
	}
	if span.End != "" {
		bounds["end"] = jsonBytes(span.End)
	}
	return map[string]any{"between": bounds}
}

func (operation RowOperation) localForm() (map[string]any, error) {
	form := operation.form()
	for _, name := range []string{"resolution", "on_conflict", "if_version"} {
		delete(form, name)
	}
	if len(operation.Arguments) > 0 {
		form["filter"], form["arguments"] = localArguments(operation.Filter, operation.Arguments)
	}
	if operation.OnConflict != "" {
		form["on_conflict"] = operation.OnConflict
	}
	if len(operation.ConflictColumns) > 0 {
		form["conflict_columns"] = operation.ConflictColumns
	}
	if operation.IfVersion != nil {
		form["if_version"] = *operation.IfVersion
	}
	if operation.Rows != nil {
		rows, err := encodeJSON(operation.Rows)
		if err != nil {
			return nil, err
		}
		form["rows"] = listOf(rows)
	}
	return form, nil
}

// localArguments are a filter and its arguments. Lists are put into the filter: the library takes none as arguments.
func localArguments(filter string, arguments []any) (string, []any) {
	scalars := make([]any, len(arguments))
	hasLists := false
	for index, one := range arguments {
		scalars[index] = one
		switch value := one.(type) {
		case []byte, json.Number:
			text, _ := plainText(value)
			scalars[index] = text
		case json.RawMessage:
			scalars[index] = exactNumber(value)
		default:
			if kind := reflect.ValueOf(one); kind.Kind() == reflect.Slice {
				scalars[index], hasLists = nil, true
			}
		}
	}
	if hasLists {
		filter = withLists(filter, arguments)
	}
	return filter, scalars
}

// exactNumber is a number of many digits in the form that keeps them.
func exactNumber(raw json.RawMessage) any {
	text := string(raw)
	if text == "" || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return raw
	}
	if _, err := strconv.ParseInt(text, 10, 64); err == nil {
		return raw
	}
	return map[string]string{"number": text}
}

// withLists replaces only those places whose arguments are lists.
func withLists(filter string, arguments []any) string {
	out, isQuoted := []byte(nil), false
	for index := 0; index < len(filter); index++ {
		character := filter[index]
		if character == '"' {
			isQuoted = !isQuoted
		}
		digits := index + 1
		for character == '$' && !isQuoted && digits < len(filter) && filter[digits] >= '0' && filter[digits] <= '9' {
			digits++
		}
		place, err := strconv.Atoi(filter[index+1 : digits])
		if err == nil && place >= 1 && place <= len(arguments) {
			_, isBytes := arguments[place-1].([]byte)
			_, isJSON := arguments[place-1].(json.RawMessage)
			isList := reflect.ValueOf(arguments[place-1]).Kind() == reflect.Slice && !isBytes && !isJSON
			if list, err := argument(arguments[place-1], true); isList && err == nil {
				out = append(out, list...)
				index = digits - 1
				continue
			}
		}
		out = append(out, character)
	}
	return string(out)
}

func localRefusals(page []byte) ([]Refusal, error) {
	var named []struct {
		Index   int
		Version *uint64
		Count   *uint64
	}
	if err := (answer{body: page}).decode(&named); err != nil {
		return nil, err
	}
	refusals := make([]Refusal, len(named))
	for index, one := range named {
		refusals[index] = Refusal{Index: one.Index, Exists: one.Version != nil, IsOfRows: one.Count != nil}
		if one.Version != nil {
			refusals[index].Version = *one.Version
		}
		if one.Count != nil {
			refusals[index].Matched = *one.Count
		}
	}
	return refusals, nil
}

func localResults(page []byte, operations []BatchOperation) ([]Result, error) {
	var forms []struct {
		Value    *jsonBytes
		Version  uint64
		Number   int64
		Deleted  uint64
		Count    uint64
		Inserted uint64
		Rows     rawJSON
	}
	if err := (answer{body: page}).decode(&forms); err != nil {
		return nil, err
	}
	if len(forms) != len(operations) {
		return nil, errPacked
	}
	results := make([]Result, len(forms))
	for index, form := range forms {
		result := &results[index]
		switch operation := operations[index].(type) {
		case RowOperation:
			result.Rows = Rows(form.Rows)
			switch operation.Op {
			case "insert":
				result.Inserted, result.Updated = form.Inserted, form.Count-form.Inserted
			case "update":
				result.Updated = form.Count
			case "delete":
				result.Deleted = form.Count
			}
		case Operation:
			result.Number, result.Deleted = form.Number, form.Deleted
			if operation.Op == "get" {
				result.Entry.Key, result.Found = operation.Key, form.Value != nil
			}
			if result.Found {
				result.Entry.Value, result.Entry.Version = []byte(*form.Value), form.Version
			}
		}
	}
	return results, nil
}

// listOf is rows as a list, where one was given as an object.
func listOf(body []byte) json.RawMessage {
	if trimmed := bytes.TrimSpace(body); len(trimmed) > 0 && trimmed[0] == '{' {
		return json.RawMessage("[" + string(trimmed) + "]")
	}
	return json.RawMessage(body)
}

package pool

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
)

// Statements in the JSON that the library takes, as docs/guides/embed-c.md describes it.

// localArguments are a filter and its arguments. Lists are put into the filter: the library takes none as arguments.
func localArguments(filter string, arguments []any) (string, []any) {
	scalars := make([]any, len(arguments))
	hasLists := false
	for index, one := range arguments {
		scalars[index] = one
		switch value := one.(type) {
		case []byte:
			text, _ := plainText(value)
			scalars[index] = text
		case json.Number:
			scalars[index] = wholeNumber(value.String())
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
	text = wholeNumber(text)
	raw = json.RawMessage(text)
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

// listOf is rows as a list, where one was given as an object.
func listOf(body []byte) json.RawMessage {
	if trimmed := bytes.TrimSpace(body); len(trimmed) > 0 && trimmed[0] == '{' {
		return json.RawMessage("[" + string(trimmed) + "]")
	}
	return json.RawMessage(body)
}

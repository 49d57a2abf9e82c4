package pool

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Texts of the tables' dialect, for servers: they take values only within the texts.

// pair is a parameter of a query.
type pair struct{ name, value string }

// parameters are the parts of a filter's text between "&", outside of quotes, with its arguments in their places.
func parameters(filter string, arguments []any) ([]pair, error) {
	var pairs []pair
	for _, part := range splitUnquoted(filter) {
		name, value, _ := strings.Cut(part, "=")
		isGroup := name == "and" || name == "or" || strings.HasSuffix(name, ".and") || strings.HasSuffix(name, ".or")
		value, err := withArguments(value, arguments, isGroup)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, pair{name, value})
	}
	return pairs, nil
}

func splitUnquoted(filter string) []string {
	var parts []string
	start, isQuoted := 0, false
	for index := 0; index <= len(filter); index++ {
		if index < len(filter) {
			switch {
			case filter[index] == '"':
				isQuoted = !isQuoted
				continue
			case isQuoted && filter[index] == '\\' && index+1 < len(filter):
				index++
				continue
			case filter[index] != '&' || isQuoted:
				continue
			}
		}
		if index > start {
			parts = append(parts, filter[start:index])
		}
		start = index + 1
	}
	return parts
}

// withArguments replaces $1: within parentheses by a quoted text, so that no value ends its place.
func withArguments(value string, arguments []any, isGroup bool) (string, error) {
	var out strings.Builder
	depth, isQuoted := 0, false
	if isGroup {
		depth = 1
	}
	for index := 0; index < len(value); index++ {
		character := value[index]
		switch {
		case isQuoted && character == '\\' && index+1 < len(value):
			out.WriteByte(character)
			index++
			character = value[index]
		case character == '"':
			isQuoted = !isQuoted
		case isQuoted:
		case character == '(':
			depth++
		case character == ')':
			depth--
		case character == '$':
			digits := index + 1
			for digits < len(value) && value[digits] >= '0' && value[digits] <= '9' {
				digits++
			}
			if digits == index+1 {
				break
			}
			place, err := strconv.Atoi(value[index+1 : digits])
			if err != nil || place < 1 || place > len(arguments) {
				return "", newError("42P02", "there is no parameter $"+value[index+1:digits])
			}
			written, err := argument(arguments[place-1], depth > 0)
			if err != nil {
				return "", err
			}
			out.WriteString(written)
			index = digits - 1
			continue
		}
		out.WriteByte(character)
	}
	return out.String(), nil
}

// argument is a value in a filter's text; a slice is the list of an operator such as in.
func argument(value any, isNested bool) (string, error) {
	kind := reflect.ValueOf(value)
	_, isBytes := value.([]byte)
	if kind.Kind() == reflect.Slice && !isBytes {
		if _, isJSON := value.(json.RawMessage); !isJSON {
			items := make([]string, kind.Len())
			for index := range items {
				item, err := argument(kind.Index(index).Interface(), true)
				if err != nil {
					return "", err
				}
				items[index] = item
			}
			return "(" + strings.Join(items, ",") + ")", nil
		}
	}
	text, err := plainText(value)
	if err != nil || !isNested {
		return text, err
	}
	return quoteText(text), nil
}

// plainText is a value as the dialect writes it: a text as it is, bytes in hexadecimal digits, anything else as JSON.
func plainText(value any) (string, error) {
	switch value := value.(type) {
	case string:
		return value, nil
	case []byte:
		return fmt.Sprintf(`\x%x`, value), nil
	}
	encoded, err := encodeJSON(value)
	if err != nil {
		return "", err
	}
	var text string
	if len(encoded) > 0 && encoded[0] == '"' && json.Unmarshal(encoded, &text) == nil {
		return text, nil
	}
	return string(encoded), nil
}

package pool

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf16"
)

// Texts of the tables' dialect, for servers: they take values only within the texts.

// pair is a parameter of a query.
type pair struct{ name, value string }

// parameters are the parts of a filter's text between "&", outside of quotes.
func parameters(filter string) []pair {
	var pairs []pair
	for _, part := range splitUnquoted(filter) {
		name, value, _ := strings.Cut(part, "=")
		pairs = append(pairs, pair{name, value})
	}
	return pairs
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

// Arguments of more bytes are not sent: servers and proxies bound the head of a request.
const argumentsMost = 16 << 10

// argumentsHeader has the values of $1, $2 and so on for a server: a list in JSON of ASCII alone.
func argumentsHeader(arguments []any) (pair, error) {
	var list strings.Builder
	list.WriteByte('[')
	for index, value := range arguments {
		if index > 0 {
			list.WriteByte(',')
		}
		encoded, err := argumentJSON(value)
		if err != nil {
			return pair{}, err
		}
		writeASCII(&list, encoded)
	}
	list.WriteByte(']')
	if list.Len() > argumentsMost {
		return pair{}, newError("unsupported-remote", "Arguments of more than 16 KiB are not sent to a server.")
	}
	return pair{"Mantisdb-Arguments", list.String()}, nil
}

// argumentJSON is a value in JSON: a scalar, or a list of scalars. What is neither is the text of its JSON.
func argumentJSON(value any) (string, error) {
	if list := reflect.ValueOf(value); isList(value) {
		items := make([]string, list.Len())
		for index := range items {
			item, err := argumentJSON(list.Index(index).Interface())
			if err != nil {
				return "", err
			}
			items[index] = item
		}
		return "[" + strings.Join(items, ",") + "]", nil
	}
	if bytes, is := value.([]byte); is {
		value = fmt.Sprintf(`\x%x`, bytes)
	}
	encoded, err := encodeJSON(value)
	if err != nil {
		return "", err
	}
	text := string(encoded)
	switch {
	case text == "":
		return "", newError("argument-invalid", "An argument has no value.")
	case text[0] == '{' || text[0] == '[':
		encoded, err = encodeJSON(text)
		return string(encoded), err
	case text[0] == '-' || text[0] >= '0' && text[0] <= '9':
		return wholeNumber(text), nil
	}
	return text, nil
}

// isList tells whether a value is the list of an operator such as in.
func isList(value any) bool {
	switch value.(type) {
	case []byte, json.RawMessage:
		return false
	}
	return reflect.ValueOf(value).Kind() == reflect.Slice
}

// wholeNumber is a number without its point where only zeros follow that: to a server 1.0 is no whole number.
func wholeNumber(number string) string {
	whole, fraction, _ := strings.Cut(number, ".")
	if strings.Trim(fraction, "0") == "" {
		return whole
	}
	return number
}

// writeASCII writes JSON with escapes in the place of characters that a header cannot have.
func writeASCII(to *strings.Builder, text string) {
	for _, character := range text {
		switch {
		case character >= ' ' && character < 0x7f:
			to.WriteRune(character)
		case character < ' ':
			// A space between what stands there: a text has its own escapes.
			to.WriteByte(' ')
		case character > 0xffff:
			high, low := utf16.EncodeRune(character)
			fmt.Fprintf(to, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(to, `\u%04x`, character)
		}
	}
}

// argument is a value in a filter's text; a slice is the list of an operator such as in.
func argument(value any, isNested bool) (string, error) {
	if list := reflect.ValueOf(value); isList(value) {
		items := make([]string, list.Len())
		for index := range items {
			item, err := argument(list.Index(index).Interface(), true)
			if err != nil {
				return "", err
			}
			items[index] = item
		}
		return "(" + strings.Join(items, ",") + ")", nil
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

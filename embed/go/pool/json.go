package pool

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
)

// jsonBytes are bytes in the API's JSON: text, or {"base64": ".."}.
type jsonBytes string

// MarshalJSON writes base64, which every byte survives.
func (data jsonBytes) MarshalJSON() ([]byte, error) {
	const open, end = `{"base64":"`, `"}`
	out := make([]byte, len(open)+base64.StdEncoding.EncodedLen(len(data))+len(end))
	copy(out, open)
	base64.StdEncoding.Encode(out[len(open):], []byte(data))
	copy(out[len(out)-len(end):], end)
	return out, nil
}

// UnmarshalJSON reads both forms, and a number as its digits.
func (data *jsonBytes) UnmarshalJSON(from []byte) error {
	if len(from) > 0 && (from[0] == '-' || from[0] >= '0' && from[0] <= '9') {
		*data = jsonBytes(from)
		return nil
	}
	if len(from) > 0 && from[0] == '"' {
		var text string
		err := json.Unmarshal(from, &text)
		*data = jsonBytes(text)
		return err
	}
	var form struct {
		Base64 *[]byte `json:"base64"`
	}
	if err := json.Unmarshal(from, &form); err != nil {
		return err
	}
	if form.Base64 == nil {
		return errors.New("bytes are a text or have a member base64")
	}
	*data = jsonBytes(*form.Base64)
	return nil
}

// jsonVersion is a number in a text, or null.
type jsonVersion uint64

// UnmarshalJSON reads both.
func (version *jsonVersion) UnmarshalJSON(from []byte) error {
	*version = 0
	if string(from) == "null" {
		return nil
	}
	number, err := strconv.ParseUint(strings.Trim(string(from), `"`), 10, 64)
	*version = jsonVersion(number)
	return err
}

type jsonTime struct{ time.Time }

// UnmarshalJSON reads RFC 3339, or null.
func (when *jsonTime) UnmarshalJSON(from []byte) error {
	when.Time = time.Time{}
	if string(from) == "null" {
		return nil
	}
	var written string
	if err := json.Unmarshal(from, &written); err != nil {
		return err
	}
	read, err := time.Parse(time.RFC3339Nano, written)
	when.Time = read
	return err
}

// encodeJSON writes what is given as JSON, without escapes that only HTML needs.
func encodeJSON(value any) ([]byte, error) {
	switch raw := value.(type) {
	case json.RawMessage:
		return raw, nil
	case Rows:
		return raw, nil
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		failed := invalid(err.Error())
		failed.cause = err
		return nil, failed
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

func text(number uint64) string { return strconv.FormatUint(number, 10) }

// columnList is names of columns with commas between them, quoted where the dialect needs it.
func columnList(columns []string) string {
	names := make([]string, len(columns))
	for index, column := range columns {
		names[index] = columnName(column)
	}
	return strings.Join(names, ",")
}

func columnName(column string) string {
	for _, character := range column {
		isPlain := character == '_' || character >= '0' && character <= '9' ||
			character|0x20 >= 'a' && character|0x20 <= 'z' || character > 0x7f
		if !isPlain {
			return quoteText(column)
		}
	}
	return column
}

var quotes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func quoteText(text string) string { return `"` + quotes.Replace(text) + `"` }

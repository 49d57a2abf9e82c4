package pool

import (
	"context"
	"net/http"
	"strconv"
	"strings"
)

// Of the rows alone: other forms of a plan have the step that writes the document too.
const planType = `application/vnd.pgrst.plan+text; for="application/x-ndjson"`

// Rows in the library's packed form.
const packedType = "application/vnd.mantisdb.rows"

// schemaPath is the path of a definition; a name of dots gets a percent sign of its own, which leads to nothing.
func schemaPath(table string) string { return "/schema/tables/" + segment(table) }

func segment(name string) string {
	if name == "." || name == ".." {
		return strings.ReplaceAll(name, ".", "%252E")
	}
	return percent(name)
}

func (session *remoteSession) define(ctx context.Context, method, table string, body []byte) (answer, error) {
	if table == "" {
		return answer{}, newError("42602", "a table has a name")
	}
	return session.send(ctx, request{
		method: method, path: schemaPath(table), body: body, isWrite: method != http.MethodGet,
		header: []pair{{"Content-Type", jsonType}, {"Accept", jsonType}},
	})
}

func (session *remoteSession) createTable(ctx context.Context, table string, definition []byte) (bool, error) {
	answered, err := session.define(ctx, http.MethodPut, table, definition)
	return answered.status == http.StatusCreated, err
}

func (session *remoteSession) alterTable(ctx context.Context, table string, changes []byte) error {
	_, err := session.define(ctx, http.MethodPatch, table, changes)
	return err
}

func (session *remoteSession) dropTable(ctx context.Context, table string) error {
	_, err := session.define(ctx, http.MethodDelete, table, nil)
	return err
}

func (session *remoteSession) describeTable(ctx context.Context, table string) ([]byte, error) {
	answered, err := session.define(ctx, http.MethodGet, table, nil)
	return answered.body, err
}

func (session *remoteSession) tables(ctx context.Context) ([]string, error) {
	answered, err := session.send(ctx, request{method: http.MethodGet, path: "/schema/tables"})
	if err != nil {
		return nil, err
	}
	var form struct{ Tables []struct{ Name string } }
	if err := answered.decode(&form); err != nil {
		return nil, err
	}
	names := make([]string, len(form.Tables))
	for index, table := range form.Tables {
		names[index] = table.Name
	}
	return names, nil
}

// rowsPath is the path of a table's rows, or of one row.
func rowsPath(table string, key []any) (string, error) {
	path := "/tables/" + segment(table)
	if key == nil {
		return path, nil
	}
	parts := make([]string, len(key))
	for index, value := range key {
		plain, err := plainText(value)
		if err != nil {
			return "", err
		}
		parts[index] = percent(plain)
	}
	if len(key) == 1 && (parts[0] == "%2E" || parts[0] == "%2E%2E") {
		return "", invalid(`a row whose key is "." or ".." has no path in a URL: select it with a filter`)
	}
	return path + "/" + strings.Join(parts, ","), nil
}

func (session *remoteSession) onRows(
	ctx context.Context, method, table string, key []any, query, header []pair, body []byte,
) (answer, error) {
	path, err := rowsPath(table, key)
	if err != nil {
		return answer{}, err
	}
	isWrite := method != http.MethodGet && method != http.MethodHead
	return session.send(ctx, request{
		method: method, path: path, query: query, header: header, body: body, isWrite: isWrite,
	})
}

// parts are the parameters of a query, and the header of its arguments, if it has some.
func (query Query) parts() ([]pair, []pair, error) {
	pairs, header := parameters(query.Filter), []pair(nil)
	if len(query.Arguments) > 0 {
		arguments, err := argumentsHeader(query.Arguments)
		if err != nil {
			return nil, nil, err
		}
		header = []pair{arguments}
	}
	if query.Select != "" {
		pairs = append(pairs, pair{"select", query.Select})
	}
	if query.Order != "" {
		pairs = append(pairs, pair{"order", query.Order})
	}
	if query.Limit != nil {
		pairs = append(pairs, pair{"limit", text(*query.Limit)})
	}
	if query.Offset != 0 {
		pairs = append(pairs, pair{"offset", text(query.Offset)})
	}
	return pairs, header, nil
}

func (session *remoteSession) getRow(ctx context.Context, table string, key []any, selected string) (Row, error) {
	var query []pair
	if selected != "" {
		query = []pair{{"select", selected}}
	}
	answered, err := session.onRows(ctx, http.MethodGet, table, keyOf(key), query, []pair{{"Accept", jsonType}}, nil)
	if err != nil {
		return Row{}, err
	}
	version, _ := answered.tag()
	return Row{JSON: answered.body, Version: version}, nil
}

func (session *remoteSession) query(ctx context.Context, table string, query Query, header ...pair) (answer, error) {
	pairs, arguments, err := query.parts()
	if err != nil {
		return answer{}, err
	}
	return session.onRows(ctx, http.MethodGet, table, nil, pairs, append(header, arguments...), nil)
}

func (session *remoteSession) selectRows(ctx context.Context, table string, query Query) (Rows, error) {
	answered, err := session.query(ctx, table, query, pair{"Accept", jsonType})
	return Rows(answered.body), err
}

func (session *remoteSession) fetchRows(ctx context.Context, table string, query Query) ([]byte, error) {
	answered, err := session.query(ctx, table, query, pair{"Accept", packedType})
	return answered.body, err
}

// countRows asks for the head of the rows' answer. An error there has no body, so it asks again.
func (session *remoteSession) countRows(ctx context.Context, table string, query Query) (uint64, error) {
	pairs, arguments, err := query.parts()
	if err != nil {
		return 0, err
	}
	header := append(arguments, pair{"Accept", jsonType})
	answered, err := session.onRows(ctx, http.MethodHead, table, nil, pairs, header, nil)
	if err != nil {
		if answered.status != 0 {
			_, err = session.onRows(ctx, http.MethodGet, table, nil, pairs, header, nil)
		}
		return 0, err
	}
	shown, _ := contentRange(answered)
	return shown, nil
}

// contentRange reads how many rows an answer shows, and how many there are in all.
func contentRange(answered answer) (shown, total uint64) {
	rows, all, _ := strings.Cut(answered.header.Get("Content-Range"), "/")
	if first, last, found := strings.Cut(rows, "-"); found {
		from, _ := strconv.ParseUint(first, 10, 64)
		to, _ := strconv.ParseUint(last, 10, 64)
		if to >= from {
			shown = to - from + 1
		}
	}
	total, _ = strconv.ParseUint(all, 10, 64)
	return shown, total
}

func (session *remoteSession) explainRows(ctx context.Context, table string, query Query) (string, error) {
	answered, err := session.query(ctx, table, query, pair{"Accept", planType})
	return string(answered.body), err
}

var rowMethods = map[string]string{
	"insert": http.MethodPost, "merge": http.MethodPost, "ignore": http.MethodPost,
	"update": http.MethodPatch, "update-many": http.MethodPatch, "delete": http.MethodDelete,
}

func (session *remoteSession) writeRows(ctx context.Context, writing rowWriting) (RowsWritten, error) {
	options, isReturned := writing.options, writing.options.Returning != ""
	query := writing.query
	query.Select, query.Order = options.Returning, options.Order
	pairs, arguments, err := query.parts()
	if err != nil {
		return RowsWritten{}, err
	}
	preference := "return=minimal,count=exact"
	if isReturned {
		preference = "return=representation,count=exact"
	}
	if writing.verb == "insert" || writing.verb == "merge" || writing.verb == "ignore" {
		// As in the program, rows need not have the same members.
		preference += ",missing=default"
	}
	switch writing.verb {
	case "merge", "ignore":
		preference += ",resolution=" + writing.verb + "-duplicates"
		if len(options.OnConflict) > 0 {
			pairs = append(pairs, pair{"on_conflict", columnList(options.OnConflict)})
		}
	}
	if len(options.Columns) > 0 {
		pairs = append(pairs, pair{"columns", columnList(options.Columns)})
	}
	header := append(arguments, pair{"Prefer", preference}, pair{"Accept", jsonType})
	if writing.body != nil {
		header = append(header, pair{"Content-Type", jsonType})
	}
	if options.IfVersion != nil {
		header = append(header, pair{"If-Match", `"v` + text(*options.IfVersion) + `"`})
	}
	answered, err := session.onRows(ctx, rowMethods[writing.verb], writing.table, writing.key, pairs, header, writing.body)
	if writing.key != nil {
		return oneRowWritten(answered, err, isReturned)
	}
	if err != nil {
		return RowsWritten{}, err
	}
	_, count := contentRange(answered)
	written := RowsWritten{Written: answered.written(), Count: count}
	if isReturned {
		written.Rows = Rows(answered.body)
	}
	return written, nil
}

// oneRowWritten is the outcome for one row, which a server tells by its status.
func oneRowWritten(answered answer, err error, isReturned bool) (RowsWritten, error) {
	written := RowsWritten{Written: answered.written()}
	switch {
	case CodeOf(err) == "row-not-found":
		if isReturned {
			written.Rows = Rows("[]")
		}
		return written, nil
	case err != nil:
		return RowsWritten{}, err
	}
	written.Count = 1
	if isReturned {
		written.Rows = Rows("[" + string(answered.body) + "]")
	}
	return written, nil
}

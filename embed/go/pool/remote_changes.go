package pool

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

// The pause between attempts to reach a server after a feed's connection was lost.
const reconnectPause = time.Second

type jsonChange struct {
	Kind            string
	Bucket          string
	Key             rawJSON
	Value           *jsonBytes
	MediaType       string `json:"media_type"`
	Version         jsonVersion
	PreviousVersion jsonVersion `json:"previous_version"`
	Time            jsonTime
	ExpiresAt       jsonTime `json:"expires_at"`
	Cursor          string

	Table         string
	SchemaVersion uint64 `json:"schema_version"`
	Row, Old      rawJSON
	Schema        rawJSON
	Matches       struct {
		Old *bool
		New bool
	}

	// The library's names of the same.
	MatchesOld *bool `json:"matches_old"`
	MatchesNew bool  `json:"matches_new"`
	TimeMS     int64 `json:"time_ms"`
	ExpiryMS   int64 `json:"expires_at_ms"`

	Error *struct{ Code, Message string }
}

func (form *jsonChange) change() (Change, error) {
	change := Change{
		Kind: form.Kind, Version: uint64(form.Version), PreviousVersion: uint64(form.PreviousVersion),
		Time: timeOr(form.Time, form.TimeMS), Cursor: form.Cursor,
	}
	if form.Table != "" {
		change.Table, change.SchemaVersion = form.Table, form.SchemaVersion
		change.RowKey, change.Row, change.Old = nilOr(form.Key), nilOr(form.Row), nilOr(form.Old)
		change.MatchedOld, change.MatchesNew = form.Matches.Old, form.Matches.New || form.MatchesNew
		if form.MatchesOld != nil {
			change.MatchedOld = form.MatchesOld
		}
		change.Schema = nilOr(form.Schema)
		return change, nil
	}
	var key jsonBytes
	if err := json.Unmarshal(form.Key, &key); err != nil {
		return Change{}, err
	}
	change.Bucket, change.Key, change.MediaType = form.Bucket, string(key), form.MediaType
	change.ExpiresAt = timeOr(form.ExpiresAt, form.ExpiryMS)
	if form.Value != nil {
		change.Value = []byte(*form.Value)
	}
	return change, nil
}

// timeOr is a time in either of its forms; zero where there is none.
func timeOr(written jsonTime, ms int64) time.Time {
	if written.IsZero() && ms != 0 {
		return time.UnixMilli(ms).UTC()
	}
	return written.Time
}

func nilOr(raw rawJSON) json.RawMessage {
	if raw == nil {
		return nil
	}
	return json.RawMessage(raw)
}

// Parameters of the feed itself, which no column's filter can have as its name.
var ownParameters = map[string]bool{
	"bucket": true, "prefix": true, "table": true, "filters": true, "since": true, "wait": true, "values": true,
	"progress": true, "encoding": true, "select": true,
}

func (options ChangesOptions) pairs() []pair {
	query := []pair{{"values", "true"}, {"progress", "true"}, {"encoding", "base64"}}
	for _, given := range []pair{
		{"bucket", options.Bucket}, {"prefix", options.Prefix}, {"table", options.Table}, {"select", options.Select},
	} {
		if given.value != "" {
			query = append(query, given)
		}
	}
	for _, filter := range parameters(options.Filter) {
		if ownParameters[filter.name] {
			filter = pair{"and", "(" + filter.name + "." + filter.value + ")"}
		}
		query = append(query, filter)
	}
	return query
}

func (server *remote) follow(ctx context.Context, options ChangesOptions, to watcher) error {
	query := options.pairs()
	cursor := firstText(options.Since, Now)
	for isConnected := false; ; {
		err := server.followOnce(ctx, append(query, pair{"since", cursor}), func(at string) {
			cursor, isConnected = at, true
		}, to)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// The first attempt must succeed: before that the address may be wrong.
		if err != nil && (!isConnected || !isPassing(err)) {
			return err
		}
		timer := time.NewTimer(reconnectPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// isPassing tells whether the server may answer again soon.
func isPassing(err error) bool {
	switch CodeOf(err) {
	case "unreachable", "streams-too-many", "overloaded", "shutting-down", "starting":
		return true
	}
	return false
}

// followOnce reads one answer to its end. It calls keep with each cursor that comes.
func (server *remote) followOnce(
	ctx context.Context, query []pair, keep func(string), to watcher,
) error {
	response, _, err := server.start(ctx, request{
		method: http.MethodGet, path: "/changes", query: query, header: []pair{{"Accept", ndjsonType}},
	})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewReader(response.Body)
	for {
		line, err := readLine(lines, server.most)
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return unreachable(ctx, err, false)
		}
		if len(line) == 0 {
			to.ready()
			continue
		}
		var form jsonChange
		if err := json.Unmarshal(line, &form); err != nil {
			return newError("answer-malformed", "The server's change cannot be read: "+err.Error())
		}
		if form.Error != nil {
			return newError(form.Error.Code, form.Error.Message)
		}
		to.ready()
		if form.Kind != "" {
			change, err := form.change()
			if err != nil {
				return newError("answer-malformed", "The server's change cannot be read: "+err.Error())
			}
			if !to.show(change) {
				return ctx.Err()
			}
		}
		if form.Cursor != "" {
			keep(form.Cursor)
		}
	}
}

// readLine reads a line of bounded length, without its end.
func readLine(from *bufio.Reader, most int64) ([]byte, error) {
	var line []byte
	for {
		part, err := from.ReadSlice('\n')
		line = append(line, part...)
		if int64(len(line)) > most {
			return nil, newError("answer-too-large", "A line of the answer exceeds AnswerBytesMax.")
		}
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

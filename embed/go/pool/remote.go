package pool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// remote is a server, reached over HTTP. Its sessions are permits: requests share the transport's network connections.
type remote struct {
	base   string // without a slash at its end
	client *http.Client
	header http.Header
	most   int64
	slots  *slots
	// Frees the network connections of the pool's own transport.
	closeIdle func()
}

const (
	api           = "/api/v1"
	jsonType      = "application/json"
	ndjsonType    = "application/x-ndjson"
	inTransaction = "Mantisdb-Transaction"
	// A problem is read to its end, but for a server that is none of ours.
	problemBytesMost = 1 << 20
)

func openRemote(config *PoolConfig) (transport, error) {
	parsed, err := url.Parse(config.Location)
	if err != nil || parsed.Host == "" {
		return nil, invalid("Location is no URL of a server: " + config.Location)
	}
	server := &remote{
		base:      parsed.Scheme + "://" + parsed.Host + strings.TrimRight(parsed.EscapedPath(), "/"),
		header:    config.Header,
		most:      config.AnswerBytesMax,
		closeIdle: func() {},
	}
	through := config.HTTP
	if through == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		// Answers come as they are stored: they are not made smaller for each reader.
		own.DisableCompression = true
		own.MaxIdleConns, own.MaxIdleConnsPerHost = 0, config.MaxConnections
		own.IdleConnTimeout = config.MaxIdleTime
		server.closeIdle = own.CloseIdleConnections
		through = own
	}
	server.client = &http.Client{
		Transport:     through,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	server.slots = newSlots(config, func() session { return &remoteSession{remote: server} })
	return server, nil
}

func (server *remote) acquire(ctx context.Context) (session, error) { return server.slots.acquire(ctx) }

func (server *remote) stats() (PoolStats, error) { return server.slots.stats(), nil }

func (server *remote) close() error {
	server.slots.close()
	server.closeIdle()
	return nil
}

func (server *remote) ping(ctx context.Context) error {
	_, err := server.send(ctx, request{method: http.MethodGet, path: "/ready", isService: true})
	return err
}

func (server *remote) backup(ctx context.Context, to io.Writer) error {
	response, _, err := server.start(ctx, request{method: http.MethodGet, path: "/backup"})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	written := &keepsError{to: to}
	if _, err := io.Copy(written, response.Body); written.err != nil {
		return written.err
	} else if err != nil {
		return unreachable(ctx, err, false)
	}
	return nil
}

// keepsError tells errors of the writer from those of the server.
type keepsError struct {
	to  io.Writer
	err error
}

func (writing *keepsError) Write(data []byte) (int, error) {
	count, err := writing.to.Write(data)
	writing.err = err
	return count, err
}

// request is one request of the API.
type request struct {
	method string
	// path follows /api/v1, percent-encoded; with isService it follows the base.
	path      string
	isService bool
	query     []pair
	header    []pair
	body      []byte
	// isWrite tells that the request may change something: if its answer does not come, the outcome is unknown.
	isWrite bool
}

// answer is the answer to a request, with its whole body.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send sends a request and reads the answer. A status that is no success is an *Error, beside the answer.
func (server *remote) send(ctx context.Context, request request) (answer, error) {
	response, isSent, err := server.start(ctx, request)
	if response == nil {
		return answer{}, err
	}
	answered := answer{status: response.StatusCode, header: response.Header}
	if err != nil {
		return answered, err
	}
	defer response.Body.Close()
	answered.body, err = server.read(response)
	if err != nil {
		var tooLarge *Error
		if errors.As(err, &tooLarge) {
			return answered, err
		}
		return answered, unreachable(ctx, err, request.isWrite && isSent)
	}
	return answered, nil
}

// read reads a body of known length into memory of that size.
func (server *remote) read(response *http.Response) ([]byte, error) {
	length := response.ContentLength
	if length > server.most {
		return nil, newError("answer-too-large", "The answer exceeds AnswerBytesMax.")
	}
	if length >= 0 {
		body := make([]byte, length)
		_, err := io.ReadFull(response.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, server.most+1))
	if err == nil && int64(len(body)) > server.most {
		return nil, newError("answer-too-large", "The answer exceeds AnswerBytesMax.")
	}
	return body, err
}

// start sends a request, and returns the answer's head, with a body to read and close if there is no error. It tells
// whether anything was sent.
func (server *remote) start(ctx context.Context, request request) (*http.Response, bool, error) {
	var isSent atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// An attempt that the transport repeats has not been read by the server.
		GotConn:      func(httptrace.GotConnInfo) { isSent.Store(false) },
		WroteHeaders: func() { isSent.Store(true) },
	})
	path := server.base + request.path
	if !request.isService {
		path = server.base + api + request.path
	}
	if len(request.query) > 0 {
		path += "?" + encodeQuery(request.query)
	}
	outgoing, err := http.NewRequestWithContext(traced, request.method, path, bodyOf(request.body))
	if err != nil {
		return nil, false, invalid(err.Error())
	}
	for name, values := range server.header {
		outgoing.Header[name] = values
	}
	for _, header := range request.header {
		outgoing.Header.Add(header.name, header.value)
	}
	response, err := server.client.Do(outgoing)
	if err != nil {
		return nil, isSent.Load(), unreachable(ctx, err, request.isWrite && isSent.Load())
	}
	if response.StatusCode >= 300 {
		defer response.Body.Close()
		body, err := io.ReadAll(io.LimitReader(response.Body, problemBytesMost))
		if err != nil && request.method != http.MethodHead {
			return response, true, unreachable(ctx, err, request.isWrite)
		}
		return response, true, problem(response, body, request.isWrite)
	}
	return response, true, nil
}

func bodyOf(body []byte) io.Reader {
	if body == nil {
		return nil
	}
	return bytes.NewReader(body)
}

// unreachable is the error for an answer that did not come: the context's own if it has ended.
func unreachable(ctx context.Context, cause error, mayBeWritten bool) error {
	if ctx.Err() != nil {
		return ended(ctx, mayBeWritten)
	}
	if mayBeWritten {
		return unknown(cause)
	}
	err := newError(ErrUnreachable.Code, cause.Error())
	err.cause = cause
	return err
}

// problem reads an error in either of the API's forms.
func problem(response *http.Response, body []byte, isWrite bool) *Error {
	var form struct {
		Code, Title, Detail, Message, Hint string
		Details                            any
		Operation                          *int
		Operations                         []jsonRefusal
		RequestID                          string `json:"request_id"`
		RetryToken                         string `json:"retry_token"`
	}
	// What is no JSON comes from somebody else, such as a proxy: the status says what there is to say.
	_ = json.Unmarshal(body, &form)
	err := &Error{
		Code:       form.Code,
		Message:    firstText(form.Detail, form.Message, form.Title, "the server answered "+response.Status),
		Hint:       form.Hint,
		Status:     response.StatusCode,
		RequestID:  firstText(form.RequestID, response.Header.Get("X-Request-Id")),
		Operation:  -1,
		retryToken: form.RetryToken,
	}
	if details, is := form.Details.(string); is {
		err.Details = details
	}
	if err.Code == "" {
		err.Code = "http-" + strconv.Itoa(response.StatusCode)
	}
	if form.Operation != nil {
		err.Operation = *form.Operation
	}
	for _, refusal := range form.Operations {
		err.Refusals = append(err.Refusals, refusal.refusal())
	}
	// After these the server itself does not know.
	err.isUnknown = isWrite && (err.Code == "storage-failed" || err.Code == "request-timeout" || err.Code == "58030" ||
		strings.HasPrefix(err.Code, "http-5"))
	return err
}

func firstText(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

type jsonRefusal struct {
	Index   int
	Version json.RawMessage
	Matched *uint64
}

func (refusal jsonRefusal) refusal() Refusal {
	out := Refusal{Index: refusal.Index}
	var version jsonVersion
	isNull := string(refusal.Version) == "null"
	if refusal.Version != nil && json.Unmarshal(refusal.Version, &version) == nil {
		out.Version, out.Exists = uint64(version), !isNull
	}
	if refusal.Matched != nil {
		out.IsOfRows, out.Matched = true, *refusal.Matched
		// A row that the batch wrote itself has no version.
		out.Exists = refusal.Version != nil
	}
	return out
}

// written reads the commit from an answer's headers. In a transaction there is none.
func (answer answer) written() Written {
	version, _ := strconv.ParseUint(answer.header.Get("Mantisdb-Version"), 10, 64)
	return Written{Version: version, Durable: answer.header.Get("Mantisdb-Durable") == "true"}
}

// tag reads the version in the answer's ETag, if there is one.
func (answer answer) tag() (uint64, bool) {
	tag := answer.header.Get("ETag")
	isTag := strings.HasPrefix(tag, `"v`)
	tag = strings.TrimPrefix(tag, `"v`)
	digits := 0
	for digits < len(tag) && tag[digits] >= '0' && tag[digits] <= '9' {
		digits++
	}
	version, err := strconv.ParseUint(tag[:digits], 10, 64)
	return version, isTag && err == nil
}

func (answer answer) decode(into any) error {
	if err := json.Unmarshal(answer.body, into); err != nil {
		failed := newError("answer-malformed", "The server's answer cannot be read: "+err.Error())
		failed.cause = err
		return failed
	}
	return nil
}

// percent encodes bytes for a path or query. Dots are encoded too: between slashes they would be steps.
func percent(data string) string {
	const digits = "0123456789ABCDEF"
	var out strings.Builder
	for index := 0; index < len(data); index++ {
		character := data[index]
		isPlain := character >= '0' && character <= '9' || character|0x20 >= 'a' && character|0x20 <= 'z' ||
			character == '-' || character == '_' || character == '~'
		if isPlain {
			out.WriteByte(character)
		} else {
			out.Write([]byte{'%', digits[character>>4], digits[character&15]})
		}
	}
	return out.String()
}

func encodeQuery(query []pair) string {
	var out strings.Builder
	for index, parameter := range query {
		if index > 0 {
			out.WriteByte('&')
		}
		out.WriteString(percent(parameter.name))
		out.WriteByte('=')
		out.WriteString(percent(parameter.value))
	}
	return out.String()
}

// remoteSession is one permit, and its open transaction.
type remoteSession struct {
	remote      *remote
	transaction string
	// It is not known what the open transaction holds: the answer to a write in it was lost.
	isDoomed bool
}

func doomed() error {
	return newError(ErrTransactionNotOpen.Code,
		"The answer to a write in this transaction was lost: it can only be rolled back.")
}

func (session *remoteSession) release() {
	session.transaction, session.isDoomed = "", false
	session.remote.slots.release(session)
}

func (session *remoteSession) hasTransaction() bool { return session.transaction != "" }

// send sends a request, within the transaction if there is one.
func (session *remoteSession) send(ctx context.Context, request request) (answer, error) {
	if session.transaction != "" {
		if session.isDoomed {
			return answer{}, doomed()
		}
		isWrite := request.isWrite
		// Nothing of it is written before the commit, but the commit takes along what arrived.
		request.isWrite = false
		request.header = append(request.header, pair{inTransaction, session.transaction})
		answered, err := session.remote.send(ctx, request)
		session.isDoomed = isWrite && err != nil && !isAnswer(err)
		return answered, err
	}
	return session.remote.send(ctx, request)
}

// begin takes the server's answer also after the context's end: it names the transaction that is to be rolled back then.
func (session *remoteSession) begin(ctx context.Context, options TransactionOptions, retryToken string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var query []pair
	if options.Snapshot {
		query = append(query, pair{"isolation", "snapshot"})
	}
	if retryToken != "" {
		query = append(query, pair{"retry", retryToken})
	}
	type begun struct {
		id  string
		err error
	}
	server, answered := session.remote, make(chan begun, 1)
	asking, stop := context.WithCancel(context.Background())
	go func() {
		id, err := server.begin(asking, query)
		answered <- begun{id, err}
	}()
	select {
	case begun := <-answered:
		stop()
		session.transaction = begun.id
		return begun.err
	case <-ctx.Done():
		time.AfterFunc(rollbackTime, stop)
		go func() {
			if late := <-answered; late.err == nil {
				server.discard(late.id)
			}
			stop()
		}()
		return ctx.Err()
	}
}

func (server *remote) begin(ctx context.Context, query []pair) (string, error) {
	answered, err := server.send(ctx, request{method: http.MethodPost, path: "/transactions", query: query})
	if err != nil {
		return "", err
	}
	var form struct{ ID string }
	if err := answered.decode(&form); err != nil {
		return "", err
	}
	if form.ID == "" {
		return "", newError("answer-malformed", "The server's answer names no transaction.")
	}
	return form.ID, nil
}

func (session *remoteSession) commit(ctx context.Context) (Written, error) {
	id, isDoomed := session.transaction, session.isDoomed
	session.transaction, session.isDoomed = "", false
	if isDoomed {
		go session.remote.discard(id)
		return Written{}, doomed()
	}
	path := "/transactions/" + percent(id) + "/commit"
	answered, err := session.remote.send(ctx, request{method: http.MethodPost, path: path, isWrite: true})
	if err != nil {
		if !isAnswer(err) {
			go session.remote.discard(id) // Perhaps it did not reach the server.
		}
		return Written{}, err
	}
	return answered.written(), nil
}

func (session *remoteSession) rollback(ctx context.Context) error {
	id := session.transaction
	session.transaction, session.isDoomed = "", false
	err := session.remote.rollback(ctx, id)
	if err != nil && !isAnswer(err) {
		go session.remote.discard(id)
	}
	return err
}

// isAnswer tells whether the error is what the server answered.
func isAnswer(err error) bool {
	var ours *Error
	return errors.As(err, &ours) && ours.Status != 0
}

// rollback asks again while the server is still at a request of the transaction, which the caller gave up.
func (server *remote) rollback(ctx context.Context, id string) error {
	for pause := busyPauseFirst; ; pause *= 2 {
		_, err := server.send(ctx, request{method: http.MethodDelete, path: "/transactions/" + percent(id)})
		if errors.Is(err, ErrTransactionNotOpen) {
			return nil // The server has rolled it back already.
		}
		if CodeOf(err) != "transaction-busy" {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// The pause before a rollback is asked for again; it doubles each time.
const busyPauseFirst = time.Millisecond

// discard rolls back for a caller who is gone. If it fails the server does so when the transaction has been idle.
func (server *remote) discard(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), rollbackTime)
	defer cancel()
	_ = server.rollback(ctx, id)
}

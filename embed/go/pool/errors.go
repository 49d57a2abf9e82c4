package pool

import (
	"context"
	"errors"
	"fmt"
)

// Error is what the database, or the way to it, reports.
type Error struct {
	// Code is stable: one of the reference of error codes, a SQLSTATE or PostgREST's code where tables are concerned,
	// or one of this package's own (the Err variables have them).
	Code string
	// Message says what happened, for people. Its wording may change.
	Message string
	// Details and Hint say more, where there is more to say.
	Details, Hint string
	// Status is the server's HTTP status; 0 where no server was asked.
	Status int
	// RequestID names the request in the server's log; empty where there was none.
	RequestID string
	// Operation is the index of the batch's operation that failed; -1 where it was none.
	Operation int
	// Refusals lists the conditions that did not hold, for an error that is ErrRefused.
	Refusals []Refusal

	// retryToken is what a server gives a transaction that lost.
	retryToken string
	// isUnknown says that the write may have happened.
	isUnknown bool
	cause     error
}

// Refusal is a condition that did not hold, and what was there.
type Refusal struct {
	// Index is the operation's place in its batch, from 0.
	Index int
	// Exists tells whether the key had a value, or whether there was a row of another version.
	Exists bool
	// Version of that value or row; 0 if it was written by the transaction itself.
	Version uint64
	// Matched is the number of rows that a filter selected, counted up to one more than its condition allows.
	Matched uint64
	// IsOfRows tells whether the condition was one on rows.
	IsOfRows bool
}

// Error returns the message with its code.
func (err *Error) Error() string {
	text := fmt.Sprintf("mantisdb: %s (%s)", err.Message, err.Code)
	if err.isUnknown {
		text += "; whether it was written is unknown"
	}
	return text
}

// Unwrap returns the error that caused this one: the context's, the network's.
func (err *Error) Unwrap() error { return err.cause }

// Is tells whether the target has the same code, and follows the groups that ErrConflict, ErrRefused and
// ErrOutcomeUnknown name.
func (err *Error) Is(target error) bool {
	named, is := target.(*Error)
	if !is {
		return false
	}
	switch named {
	case ErrOutcomeUnknown:
		return err.isUnknown || err == named
	case ErrConflict:
		return err.Code == "conflict" || err.Code == "transaction-too-old" || err.Code == "40001"
	case ErrRefused:
		return err.Code == "precondition-failed" || err.Code == "check-failed" || err.Code == "PT412"
	case ErrNotFound:
		return err.Code == "key-not-found" || err.Code == "row-not-found"
	}
	return named.Code == err.Code
}

// For errors.Is. The comment names the codes that an error stands for, where they are not obvious.
var (
	// ErrNotFound: the key or row does not exist (key-not-found, row-not-found).
	ErrNotFound = newError("key-not-found", "The key does not exist or has expired.")
	// ErrConflict: another commit changed what the transaction had read (conflict, transaction-too-old, 40001): run it
	// again, or let Update do so.
	ErrConflict = newError("conflict", "Another commit changed what this transaction had read.")
	// ErrRefused: a condition did not hold and nothing was written (precondition-failed, check-failed, PT412).
	// Refusals of the Error says what was there.
	ErrRefused = newError("precondition-failed", "A condition did not hold; nothing was written.")
	// ErrOutcomeUnknown: the write was sent and its answer was not received. It may have happened, now or a little later.
	ErrOutcomeUnknown = newError("outcome-unknown", "Whether the write happened is unknown.")
	// ErrConnectionTimeout: no connection became free within ConnectionTimeout.
	ErrConnectionTimeout = newError("acquire-timeout", "No connection became free in time.")
	// ErrPoolClosed: the pool was closed.
	ErrPoolClosed = newError("pool-closed", "The pool is closed.")
	// ErrConnectionReleased: the connection was given back.
	ErrConnectionReleased = newError("connection-released", "The connection was released.")
	// ErrConnectionBusy: another goroutine is using the connection.
	ErrConnectionBusy = newError("connection-busy", "Another goroutine is using the connection.")
	// ErrTransactionOpen: the connection has a transaction open already.
	ErrTransactionOpen = newError("transaction-open", "The connection has a transaction open already.")
	// ErrTransactionNotOpen: the transaction has ended.
	ErrTransactionNotOpen = newError("transaction-not-open", "The transaction has ended.")
	// ErrCompacted: the change feed no longer has what follows the cursor: read the state, then follow from there.
	ErrCompacted = newError("compacted", "The change feed no longer has the changes after the cursor.")
	// ErrUnreachable: the server could not be reached, or broke off its answer.
	ErrUnreachable = newError("unreachable", "The server cannot be reached.")
	// ErrNotBuilt: the location is a local database, and this program was built with CGO_ENABLED=0, without a C compiler, or
	// with the tag mantisdb_remote.
	ErrNotBuilt = newError("local-not-built", "This program was built for servers only: set Location or MANTISDB_URL to "+
		"a server's URL, or build it with cgo, mantisdb.h and the library mantisdb_c, without the tag mantisdb_remote.")
)

func newError(code, message string) *Error {
	return &Error{Code: code, Message: message, Operation: -1}
}

func invalid(message string) *Error {
	return newError("argument-invalid", message)
}

// CodeOf returns the stable code of an error, or an empty text for one that is not the database's.
func CodeOf(err error) string {
	var ours *Error
	if errors.As(err, &ours) {
		return ours.Code
	}
	return ""
}

// unknown returns an error that is both ErrOutcomeUnknown and its cause.
func unknown(cause error) *Error {
	err := newError(ErrOutcomeUnknown.Code, cause.Error())
	err.isUnknown, err.cause = true, cause
	return err
}

// ended returns the context's error as it is, and as an unknown outcome if a write was sent.
func ended(ctx context.Context, isSent bool) error {
	if isSent {
		return unknown(ctx.Err())
	}
	return ctx.Err()
}

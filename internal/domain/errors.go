package domain

import (
	"context"
	"errors"
	"time"
)

// A Kind says what may be done about an error. An adapter sets it once, where the error enters the program, from codes and
// types and never from message text. The loop acts on it. The command line turns it into an exit code.
type Kind int

// The kinds. Package internal/app/retry decides what the loop does about each.
const (
	Unknown        Kind = iota // nobody classified it: a bug
	RateLimited                // the rate limit forbids the request until Error.Until; not counted as an attempt
	Transient                  // may succeed later without a change
	BadPage                    // a successful answer that is not a complete page, or a page that repeats an earlier one
	Unconfirmed                // only one answer says that the pass has ended; the same page is requested once more
	CursorExpired              // the API says that the cursor has expired
	CursorInvalid              // the API does not know the cursor
	Unauthorized               // the API refused the credentials
	TooManyRejects             // a page has more rejects than it may park
	Unstorable                 // the database refuses a value of an event; only within a store, which parks the record
	Fenced                     // another runner owns the stream (I3)
	SetBack                    // the database was set back to an earlier state, by a restored backup or a failover that lost commits
	Uncertain                  // COMMIT was sent and not answered (I4)
	Invalid                    // settings, usage or environment are wrong; trying again does not help
	Stopped                    // the caller's context ended
	Inconsistent               // verify found differences
)

var kindNames = [...]string{
	"unknown", "rate limited", "transient", "bad page", "unconfirmed", "cursor expired", "cursor invalid", "unauthorized",
	"rejected", "unstorable", "fenced", "set back", "uncertain", "invalid", "stopped", "inconsistent",
}

// String returns the kind in lower-case words.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return kindNames[Unknown]
	}
	return kindNames[k]
}

// An Error is a classified error. Its text never holds a secret.
type Error struct {
	Kind     Kind
	Op       string    // the operation that failed, e.g. "fetch page"
	Hint     string    // what the user can do about it, in words that hold for every way to run pawl; may be empty
	Remedy   Remedy    // what the user can do about it with a command or a flag; zero if nothing
	Until    time.Time // RateLimited only: when to try again; zero if the API did not say
	Unsent   bool      // no request was sent
	Holder   Holder    // Fenced by Claim only: what the store sees of the runner that holds the stream
	ShortEnd bool      // BadPage only: the page is complete, but ends its pass below the announced total
	Status   int       // HTTP status of the API's answer, 0 without a complete answer
	Err      error     // the cause, never nil
}

// A Holder is the state of the runner that holds a stream, as far as the store can see it.
type Holder int

// The states of a holder.
const (
	HolderUnknown Holder = iota // the store cannot tell
	HolderAlive                 // it used the store a moment ago
	HolderSilent                // it has not used the store for longer than a running process ever does: it is frozen, or its machine is gone
)

func (e *Error) Error() string { return e.Op + ": " + e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// AsError returns the outermost Error in err's chain, nil if there is none.
func AsError(err error) *Error {
	e, _ := errors.AsType[*Error](err)
	return e
}

// KindOf returns the kind of the outermost Error in err's chain. A bare context error is Stopped, any other is Unknown.
func KindOf(err error) Kind {
	if e := AsError(err); e != nil {
		return e.Kind
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Stopped
	}
	return Unknown
}

// HintOf returns the hint of the first error in err's chain that says what can be done, by a hint or a remedy. It is empty
// if that error has a remedy only, or if there is none.
func HintOf(err error) string {
	if e := advice(err); e != nil {
		return e.Hint
	}
	return ""
}

// RemedyOf returns the remedy of the same error, zero if it has none.
func RemedyOf(err error) Remedy {
	if e := advice(err); e != nil {
		return e.Remedy
	}
	return 0
}

// advice returns the first error in err's chain that says what can be done, nil if none does.
func advice(err error) *Error {
	for e := AsError(err); e != nil; e = AsError(e.Err) {
		if e.Hint != "" || e.Remedy != 0 {
			return e
		}
	}
	return nil
}

package domain

import (
	"context"
	"errors"
	"time"
)

// A Kind is the class of an error. It decides whether pawl tries again, and with which exit code pawl ends. The adapter in
// which an error first appears sets the kind, from error codes and types and never from the text of a message.
type Kind int

// These are the kinds. Package internal/app/retry decides which of them allow another attempt.
const (
	Unknown        Kind = iota // no adapter has classified the error, which is a bug
	RateLimited                // the rate limit allows no request before Error.Until
	Transient                  // the same call may succeed later
	BadPage                    // the answer is not a complete page, or the page cannot be the next one of its pass
	Unconfirmed                // a second answer must confirm the end of the pass, so the same page is requested again
	CursorExpired              // the API says that the cursor has expired
	CursorInvalid              // the API does not know the cursor
	Unauthorized               // the API refused the credentials
	TooManyRejects             // a page has more rejects than it may park
	Unstorable                 // the database refuses a value of an event; only for use inside a store, which then parks the record
	Fenced                     // another runner holds the stream (I3)
	SetBack                    // the database was set back to an earlier state, by a restored backup or by a failover that lost commits
	Uncertain                  // COMMIT was sent, but no answer came (I4)
	Invalid                    // settings, usage or environment are wrong, so another attempt does not help
	Stopped                    // the caller's context ended
	Inconsistent               // verify found differences
)

// kindNames has the name of each kind, in the order of the constants.
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
	Code     Code      // the class of failure that the user can look up
	Op       string    // the operation that failed, such as "fetch page"
	Hint     string    // advice for the user that names no command or flag; may be empty
	Remedy   Remedy    // advice that the command line expresses as a command or a flag; 0 if there is none
	Until    time.Time // for RateLimited: when to try again; for HolderLeased: when the lease ends; zero if nobody said it
	Unsent   bool      // no request was sent
	Holder   Holder    // for Fenced, if Claim returned it: the state of the runner that holds the stream
	ShortEnd bool      // for BadPage: the page is complete, but it ends its pass below the announced total
	OtherAPI bool      // for BadPage: the answer has nothing of a page, so another API or a web site may have answered
	Repeats  bool      // for BadPage: the page or its cursor leads back to earlier pages of its pass, so the cursor may be wrong
	Status   int       // HTTP status of the API's answer; 0 if there was no complete answer
	Err      error     // the cause, never nil
}

// A Holder is the state of the runner that holds a stream, as far as the store can see it.
type Holder int

// These are the states of a holder.
const (
	HolderUnknown Holder = iota // the store cannot see the state
	HolderAlive                 // the runner used the store a moment ago
	HolderLeased                // the runner has a lease until Error.Until, and may extend it
	HolderSilent                // the runner has not used the store for so long that it must be frozen or its machine gone
)

func (e *Error) Error() string { return e.Op + ": " + e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// AsError returns the outermost Error in err's chain, or nil if there is none.
func AsError(err error) *Error {
	e, _ := errors.AsType[*Error](err)
	return e
}

// KindOf returns the kind of the outermost Error in err's chain. If the chain has no Error, KindOf returns Stopped for a
// context error, and Unknown for any other error and for nil.
func KindOf(err error) Kind {
	if e := AsError(err); e != nil {
		return e.Kind
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Stopped
	}
	return Unknown
}

// HintOf returns the hint of the first Error in err's chain that has a hint or a remedy. It returns an empty text if that
// Error has only a remedy, or if no Error has either.
func HintOf(err error) string {
	if e := findAdvice(err); e != nil {
		return e.Hint
	}
	return ""
}

// RemedyOf returns the remedy of the first Error in err's chain that has a hint or a remedy. It returns 0 if that Error has
// only a hint, or if no Error has either.
func RemedyOf(err error) Remedy {
	if e := findAdvice(err); e != nil {
		return e.Remedy
	}
	return 0
}

// findAdvice returns the first Error in err's chain that has a hint or a remedy, or nil if there is none.
func findAdvice(err error) *Error {
	for e := AsError(err); e != nil; e = AsError(e.Err) {
		if e.Hint != "" || e.Remedy != 0 {
			return e
		}
	}
	return nil
}

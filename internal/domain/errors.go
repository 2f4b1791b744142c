package domain

import (
	"context"
	"errors"
	"time"
)

// A Kind says what may be done about an error. Adapters decide it once, at the border, from codes and types and never
// from message text; the loop acts on it; the command turns it into an exit code.
type Kind int

// The kinds. What the loop does about each is in internal/app/retry.
const (
	Unknown        Kind = iota // nobody classified it: a bug
	RateLimited                // refused for the rate limit until Error.Until; costs no try
	Transient                  // may pass by itself
	BadPage                    // a successful answer that is not a whole page, or a page that repeats an earlier one
	Unconfirmed                // a single answer says that the pass has ended; the same page is asked for once more
	CursorExpired              // the upstream says the cursor has outlived its time
	CursorInvalid              // the upstream says the cursor is none of its own
	Unauthorized               // the upstream refused the credentials
	TooManyRejects             // more records cannot become events than a page may have
	Unstorable                 // the database refuses a value that decoding let pass; within a store, which parks its record
	Fenced                     // another runner owns the stream (I3)
	SetBack                    // the database was set back to an earlier state: a backup was restored, or a failover lost commits
	Uncertain                  // COMMIT was sent and not answered (I4)
	Invalid                    // settings, usage or surroundings are wrong; trying again won't help
	Stopped                    // the caller's context ended
	Inconsistent               // what is stored does not hold together
)

var kindNames = [...]string{
	"unknown", "rate limited", "transient", "bad page", "unconfirmed", "cursor expired", "cursor invalid", "unauthorized",
	"rejected", "unstorable", "fenced", "set back", "uncertain", "invalid", "stopped", "inconsistent",
}

// String is the kind in lower-case words.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return kindNames[Unknown]
	}
	return kindNames[k]
}

// An Error is a classified error. Its text never holds a secret.
type Error struct {
	Kind   Kind
	Op     string    // the operation that failed, e.g. "fetch page"
	Hint   string    // what the user can do about it, in words that hold for every way to run pawl; may be empty
	Remedy Remedy    // what the user can do about it with a command or a flag; zero if nothing
	Until  time.Time // RateLimited only: when to try again; zero if nobody said
	Unsent bool      // nothing was sent upstream
	Holder Holder    // Fenced by Claim only: what can be seen of the runner that holds the stream
	Status int       // HTTP status of the upstream's answer, 0 if none came whole
	Err    error     // the cause, never nil
}

// A Holder is what a store can see of the runner that holds a stream.
type Holder int

// The states of a holder.
const (
	HolderUnknown Holder = iota // the store cannot tell
	HolderAlive                 // it has used the store a moment ago
	HolderSilent                // it has not used the store for longer than a runner that lives: frozen, or its machine is gone
)

func (e *Error) Error() string { return e.Op + ": " + e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// AsError is the outermost Error in err's chain, nil if there is none.
func AsError(err error) *Error {
	e, _ := errors.AsType[*Error](err)
	return e
}

// KindOf is the kind of the outermost Error in err's chain. A bare context error is Stopped, any other is Unknown.
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

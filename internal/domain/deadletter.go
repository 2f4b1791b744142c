package domain

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxOpenDeadLetters is the number of open dead letters that one event may have. Without a limit, an API that writes the
// time of the request into each record would add dead letters with every pass.
const MaxOpenDeadLetters = 16

// A DeadLetter is a parked record: a record that no row can hold, with its exact bytes.
type DeadLetter struct {
	ID      int64 // unique in its database
	Key     DeadLetterKey
	PageID  int64 // the ledger row of the page that parked it
	Index   int   // in that page, from 0
	Why     Rejection
	Payload []byte

	Seen     int64 // how often it was received, Others included
	Others   int64 // records of the same event with other bytes, received and not stored, see MaxOpenDeadLetters
	Replays  int64 // how often it was replayed
	ParkedAt time.Time

	Resolved *Resolution // nil while the dead letter is open
}

// A Resolution says how a dead letter was resolved. The dead letter keeps its record.
type Resolution struct {
	How    string // one of the constants below
	Why    string // in words; of a discarded dead letter, the user's words
	At     time.Time
	PageID int64 // the ledger row that resolved it, 0 if none did
}

// How a dead letter is resolved. The texts are stored, so they never change.
const (
	ResolvedByReplay     = "replayed"   // a replay stored its event
	ResolvedAsDuplicate  = "duplicate"  // a replay found its event stored already, with the same values
	ResolvedAsSuperseded = "superseded" // the API sent a valid version of the event, which is stored
	ResolvedByDiscard    = "discarded"  // a user discarded it
)

// A DeadLetterState selects dead letters by whether they are resolved.
type DeadLetterState string

// The states by which dead letters can be listed.
const (
	DeadLettersOpen     DeadLetterState = "open"
	DeadLettersResolved DeadLetterState = "resolved"
	DeadLettersAll      DeadLetterState = "all"
)

// A DeadLetterFilter selects dead letters of a stream. A zero field selects all.
type DeadLetterFilter struct {
	State  DeadLetterState // DeadLettersAll if empty
	Reason string
	PageID int64     // the ledger row of the page that parked it
	Since  time.Time // parked at this time or later
	Until  time.Time // parked before this time
}

// A DeadLetterRange is one part of a list in order of id: the first Limit dead letters with an id greater than After.
type DeadLetterRange struct {
	After int64
	Limit int // at least 1
}

// A ReasonCount is the number of dead letters with one reason, and the first of them as a sample, without its payload.
type ReasonCount struct {
	Reason string
	Count  int64
	Sample DeadLetter
}

// A DeadLetterSelection says which dead letters of a stream to replay. Exactly one field is set.
type DeadLetterSelection struct {
	IDs    []int64
	Reason string // all open ones with this reason
	All    bool   // all open ones
}

// maxSelectedIDs is the number of ids that a DeadLetterSelection may name.
const maxSelectedIDs = 10_000

// Validate returns Invalid unless exactly one field is set and its value is possible.
func (s DeadLetterSelection) Validate() error {
	fields := 0
	for _, set := range []bool{len(s.IDs) > 0, s.Reason != "", s.All} {
		if set {
			fields++
		}
	}
	invalid := func(what, hint string, remedy Remedy) error {
		return &Error{Kind: Invalid, Op: "select dead letters", Err: errors.New(what), Hint: hint, Remedy: remedy}
	}
	switch {
	case fields == 0:
		return invalid("no dead letters are named", "", SelectDeadLetters)
	case fields > 1:
		return invalid("ids, a reason and all of them exclude each other", "give one of these", 0)
	case len(s.IDs) > maxSelectedIDs:
		return invalid(fmt.Sprintf("%d ids are more than the %d that can be named", len(s.IDs), maxSelectedIDs), "", SelectByReason)
	case slices.ContainsFunc(s.IDs, func(id int64) bool { return id < 1 }):
		return invalid("an id is 1 or more", "", ListDeadLetters)
	}
	return nil
}

// A SelectionCount counts the dead letters that a selection matches at one moment.
type SelectionCount struct {
	Open     int64   // open dead letters
	Last     int64   // the greatest id of these, 0 if there are none
	Resolved int64   // dead letters that are named and already resolved
	Missing  []int64 // ids that are named and unknown in the stream, ascending
}

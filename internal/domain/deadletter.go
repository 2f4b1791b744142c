package domain

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxOpenDeadLetters is the number of open dead letters that one event may have. Further rejects of the event are not stored,
// but counted in the last of these dead letters. Without a limit, an API that writes the time of the request into each record
// would add dead letters with every pass.
const MaxOpenDeadLetters = 16

// A DeadLetter is a record that cannot become a row and is stored with its exact bytes.
type DeadLetter struct {
	ID      int64 // unique in its database
	Key     DeadLetterKey
	PageID  int64     // the ledger row of the page that parked it
	Index   int       // the place of the record in that page, from 0
	Why     Rejection // the latest reason why the record cannot become a row
	Payload []byte    // the exact bytes of the record

	Seen     int64 // how often the record was received, plus Others
	Others   int64 // how many other records of the same event were only counted here, see MaxOpenDeadLetters
	Replays  int64 // how often the dead letter was replayed
	ParkedAt time.Time

	Resolved *Resolution // nil while the dead letter is open
}

// A Resolution says how a dead letter was resolved. A resolved dead letter still has its record.
type Resolution struct {
	How    string // one of the constants below
	Why    string // the reason; for a discarded dead letter, the text that the user gave
	At     time.Time
	PageID int64 // the ledger row of the page or replay that resolved it; 0 if a user discarded it
}

// These are the ways in which a dead letter is resolved. The database contains these texts, so they must not change.
const (
	ResolvedByReplay     = "replayed"   // a replay stored its event
	ResolvedAsDuplicate  = "duplicate"  // a replay found its event stored already, with the same values
	ResolvedAsSuperseded = "superseded" // the API sent a valid version of the event, and this version is stored
	ResolvedByDiscard    = "discarded"  // a user discarded it
)

// A DeadLetterState selects open dead letters, resolved ones, or both.
type DeadLetterState string

// These are the values of a DeadLetterState.
const (
	DeadLettersOpen     DeadLetterState = "open"
	DeadLettersResolved DeadLetterState = "resolved"
	DeadLettersAll      DeadLetterState = "all"
)

// A DeadLetterFilter selects the dead letters of a stream that match all of its fields. A field with its zero value matches
// every dead letter.
type DeadLetterFilter struct {
	State  DeadLetterState
	Reason string
	PageID int64     // matches dead letters that the page with this ledger row parked
	Since  time.Time // matches dead letters that were parked at this time or later
	Until  time.Time // matches dead letters that were parked before this time
}

// A DeadLetterRange selects a part of a list that is sorted by id: the first Limit dead letters with an id greater than
// After.
type DeadLetterRange struct {
	After int64
	Limit int // at least 1
}

// A ReasonCount is the number of dead letters with one reason.
type ReasonCount struct {
	Reason string
	Count  int64
	Sample DeadLetter // the first of these dead letters, without its payload
}

// A DeadLetterSelection says which dead letters of a stream to replay. Exactly one field is set.
type DeadLetterSelection struct {
	IDs    []int64 // selects the dead letters with these ids
	Reason string  // selects all open dead letters with this reason
	All    bool    // selects all open dead letters
}

// maxSelectedIDs is the greatest number of ids that a DeadLetterSelection may have.
const maxSelectedIDs = 10_000

// Validate returns Invalid if no field or more than one field is set, if there are too many ids, or if an id is below 1.
func (s DeadLetterSelection) Validate() error {
	fields := 0
	for _, isSet := range []bool{len(s.IDs) > 0, s.Reason != "", s.All} {
		if isSet {
			fields++
		}
	}
	newError := func(text, hint string, remedy Remedy) error {
		return &Error{
			Kind: Invalid, Code: CodeUsage, Op: "select dead letters", Err: errors.New(text), Hint: hint, Remedy: remedy,
		}
	}
	switch {
	case fields == 0:
		return newError("no dead letters are named", "", SelectDeadLetters)
	case fields > 1:
		return newError("ids, a reason and all of them exclude each other", "give one of these", 0)
	case len(s.IDs) > maxSelectedIDs:
		return newError(fmt.Sprintf("%d ids are more than the %d that can be named", len(s.IDs), maxSelectedIDs), "", SelectByReason)
	case slices.ContainsFunc(s.IDs, func(id int64) bool { return id < 1 }):
		return newError("an id is 1 or more", "", ListDeadLetters)
	}
	return nil
}

// A SelectionCount counts the dead letters that a selection matches at one moment.
type SelectionCount struct {
	Open     int64   // the number of open dead letters
	Last     int64   // the greatest id of the open dead letters; 0 if there are none
	Resolved int64   // the number of selected ids whose dead letter is resolved already
	Missing  []int64 // the selected ids that the stream does not have, ascending
}

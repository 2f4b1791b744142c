package domain

import (
	"errors"
	"fmt"
	"slices"
)

// A DeadLetterSelection says which dead letters of a stream are to be replayed: exactly one of its fields is set.
type DeadLetterSelection struct {
	IDs    []int64
	Reason string // the open ones that have it
	All    bool   // that are open
}

// maxSelectedIDs is how many letters can be named one by one.
const maxSelectedIDs = 10_000

// Validate is the error in a selection that is none, kind Invalid.
func (s DeadLetterSelection) Validate() error {
	ways := 0
	for _, given := range []bool{len(s.IDs) > 0, s.Reason != "", s.All} {
		if given {
			ways++
		}
	}
	invalid := func(what, hint string, remedy Remedy) error {
		return &Error{Kind: Invalid, Op: "select dead letters", Err: errors.New(what), Hint: hint, Remedy: remedy}
	}
	switch {
	case ways == 0:
		return invalid("no dead letters are named", "", SelectDeadLetters)
	case ways > 1:
		return invalid("ids, a reason and all of them exclude each other", "give one of these", 0)
	case len(s.IDs) > maxSelectedIDs:
		return invalid(fmt.Sprintf("%d ids are more than the %d that can be named", len(s.IDs), maxSelectedIDs), "", SelectByReason)
	case slices.ContainsFunc(s.IDs, func(id int64) bool { return id < 1 }):
		return invalid("an id is 1 or more", "", ListDeadLetters)
	}
	return nil
}

// A SelectionCount is what a selection comes to at one moment.
type SelectionCount struct {
	Open     int64   // letters
	Last     int64   // the greatest id of these, 0 if there are none
	Resolved int64   // letters that are named and not open
	Missing  []int64 // ids that are named and none of the stream's, ascending
}

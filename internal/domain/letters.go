package domain

import "time"

// A DeadLetterState tells open letters from resolved ones.
type DeadLetterState string

// The states by which letters can be listed.
const (
	DeadLettersOpen     DeadLetterState = "open"
	DeadLettersResolved DeadLetterState = "resolved"
	DeadLettersAll      DeadLetterState = "all"
)

// A DeadLetterFilter says which dead letters of a stream are looked at. What is zero lets everything pass.
type DeadLetterFilter struct {
	State  DeadLetterState // LettersAll if empty
	Reason string
	PageID int64     // the ledger row that parked it
	Since  time.Time // parked then or later
	Until  time.Time // parked before
}

// A DeadLetterRange is a part of a list that is in order of id: what comes behind one letter, and how many of it.
type DeadLetterRange struct {
	After int64
	Limit int // at least 1
}

// A ReasonCount is how many dead letters have a reason, with the first of them as a sample, without its payload.
type ReasonCount struct {
	Reason string
	Count  int64
	Sample DeadLetter
}

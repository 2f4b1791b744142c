package domain

import "fmt"

// An End says how far an answer that ends a pass may be believed. APIs are known to end a list early: by a glitch, or
// from a cache. Whether an end is believed is decided by the store that commits it, since only the database knows what
// was stored.
type End struct {
	Confirmed   bool // two answers in a row said the same
	AcceptShort bool // the user accepts a confirmed end although the first announced total was not reached
}

// Check returns nil if the end at a place may be believed, given how many records of the stream are stored or parked, in
// all passes together and without conflicts, whose events are stored. A negative number says that this is not known, because another stream stores into the same table.
//
// An end below the first announced total is a BadPage, unless the user accepts it. At or above it, an end is believed if
// both the place and what is stored reach the larger of the first and the latest announced total; otherwise, or if
// nothing or 0 was announced, it is Unconfirmed until a second answer says the same.
func (e End) Check(at Position, stored int64) error {
	first, announced := at.AnnouncedFirst.N, max(at.AnnouncedFirst.N, at.AnnouncedLast.N)
	switch {
	case e.Confirmed && e.AcceptShort:
		return nil
	case at.Offset < first:
		kind := BadPage
		if e.AcceptShort {
			kind = Unconfirmed
		}
		return &Error{
			Kind: kind, Op: "check end",
			Err:  fmt.Errorf("the API says that the stream ends after %d of %d records", at.Offset, first),
			Hint: "run it again later", Remedy: AcceptShortEnd,
		}
	case e.Confirmed:
		return nil
	case announced == 0 || at.Offset < announced || (stored >= 0 && stored < announced):
		return &Error{
			Kind: Unconfirmed, Op: "check end",
			Err: fmt.Errorf("only one answer says that the stream ends after %d records; the API announced %d", at.Offset, announced),
		}
	}
	return nil
}

// Accepted reports whether the end at a place is one that only the user's consent made an end.
func (e End) Accepted(at Position) bool {
	return at.Done && e.AcceptShort && at.Offset < at.AnnouncedFirst.N
}

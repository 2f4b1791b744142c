package domain

import "fmt"

// A Batch holds the consecutive pages that one [EventStore.Commit] stores, all or nothing.
type Batch struct {
	At    Checkpoint    // as it was read: the claim, and the position from which the checkpoint moves (I3)
	Pages []DecodedPage // at least one
}

// TargetSeq returns the seq of the checkpoint after the batch is committed. Each page adds one.
func (b Batch) TargetSeq() int64 { return b.At.Seq + int64(len(b.Pages)) }

// LastPage returns the batch's last page.
func (b Batch) LastPage() DecodedPage { return b.Pages[len(b.Pages)-1] }

// A CommitResult reports what one Commit did: the new checkpoint, and what this Commit added to its counts.
type CommitResult struct {
	Checkpoint Checkpoint
	Counts     Counts
	NewDrift   []DriftEntry // entries that are new in the stream's register
}

// An End says how far an answer that ends a pass may be believed. APIs sometimes end a list too early, by a glitch or from
// a cache. The store that commits the end decides, since only the database knows what was stored.
type End struct {
	Confirmed   bool // a second answer ended the pass too, and had all records of the first one
	Disputed    bool // an earlier answer to the same request ended the pass with a record that this one lacks
	AcceptShort bool // the user accepts a confirmed end below the first announced total
}

// Check returns nil if an end at position at may be believed. stored is the number of the stream's records that are stored
// or parked, in all passes together; conflicts whose event is stored do not count. It is negative if another stream stores
// into the same table, so that the number is unknown; such an end has to be confirmed.
//
// A disputed end is always Unconfirmed. An end below the first announced total is a BadPage, unless the user accepts it. At or above that total, an end is
// believed if both the position and stored reach the greatest total that was announced in this run. Otherwise, or if
// the API announced nothing or 0, the end is Unconfirmed until a second answer gives it again.
func (e End) Check(at Position, stored int64) error {
	first, announced := at.AnnouncedFirst.N, max(at.AnnouncedFirst.N, at.AnnouncedLast.N, at.MaxAnnounced)
	switch {
	case e.Disputed:
		return &Error{
			Kind: Unconfirmed, Op: "check end",
			Err: fmt.Errorf("the API ends the stream after %d records, without a record that it returned before", at.Offset),
		}
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
			Hint: "run it again later", Remedy: AcceptShortEnd, ShortEnd: true,
		}
	case e.Confirmed:
		return nil
	case announced == 0 || at.Offset < announced || stored < announced:
		return &Error{
			Kind: Unconfirmed, Op: "check end",
			Err: fmt.Errorf("only one answer says that the stream ends after %d records; the API announced %d", at.Offset, announced),
		}
	}
	return nil
}

// Accepted reports whether an end at position at is believed only because the user accepts a short end.
func (e End) Accepted(at Position) bool {
	return at.Done && e.AcceptShort && at.Offset < at.AnnouncedFirst.N
}

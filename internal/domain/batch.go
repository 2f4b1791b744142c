package domain

import "fmt"

// A Batch holds the consecutive pages that one [EventStore.Commit] stores, all or nothing.
type Batch struct {
	At    Checkpoint    // the checkpoint as the runner read it: Commit succeeds only if it has not changed since (I3)
	Pages []DecodedPage // at least one
}

// TargetSeq returns the seq of the checkpoint after the batch is committed. Each page adds one.
func (b Batch) TargetSeq() int64 { return b.At.Seq + int64(len(b.Pages)) }

// LastPage returns the batch's last page.
func (b Batch) LastPage() DecodedPage { return b.Pages[len(b.Pages)-1] }

// A CommitResult reports the effect of one Commit.
type CommitResult struct {
	Checkpoint Checkpoint   // the new checkpoint
	Counts     Counts       // the records of this batch; Checkpoint.Counts contains them
	NewDrift   []DriftEntry // the entries that this Commit added to the stream's drift register
}

// An End describes how reliable an answer is that ends a pass. APIs sometimes end a list too early, because of a fault or
// because a cache answers. The store calls Check when it commits the end, because only the database knows how many records
// are stored.
type End struct {
	// Confirmed says that an earlier answer to the same request ended the pass too, and that this answer has all of its
	// records. The two answers must end at the same offset, or this answer at or above the first announced total.
	Confirmed bool

	// Disputed says that an earlier answer to the same request ended the pass too, and that this answer lacks one of its
	// records.
	Disputed bool

	// AcceptShort says that the user accepts a confirmed end below the first announced total.
	AcceptShort bool
}

// Check returns nil if a pass may end at the position. Otherwise it returns Unconfirmed if a second answer could confirm the
// end, and BadPage if the end cannot be true. Check applies the first of these rules that fits:
//   - A disputed end is Unconfirmed.
//   - A confirmed end is accepted if the user accepts a short end.
//   - An end below the first announced total is a BadPage. If the user accepts a short end, it is Unconfirmed instead.
//   - A confirmed end is accepted.
//   - If the API announced no total, or only 0, the end is Unconfirmed.
//   - If the position or stored is below the greatest total that was announced in this run, the end is Unconfirmed.
//   - Any other end is accepted.
//
// stored is the number of the stream's records that are stored or parked, in all passes together. A conflict whose event is
// stored does not count. The number is unknown if another stream stores into the same table: then stored is negative.
func (e End) Check(position Position, stored int64) error {
	first := position.AnnouncedFirst.N
	announced := max(first, position.AnnouncedLast.N, position.MaxAnnounced)
	switch {
	case e.Disputed:
		return &Error{
			Kind: Unconfirmed, Op: "check end",
			Err: fmt.Errorf("the API ends the stream after %d records, without a record that it returned before", position.Offset),
		}
	case e.Confirmed && e.AcceptShort:
		return nil
	case position.Offset < first:
		kind := BadPage
		if e.AcceptShort {
			kind = Unconfirmed
		}
		return &Error{
			Kind: kind, Op: "check end",
			Err:  fmt.Errorf("the API says that the stream ends after %d of %d records", position.Offset, first),
			Hint: "run it again later", Remedy: AcceptShortEnd, ShortEnd: true,
		}
	case e.Confirmed:
		return nil
	case announced == 0 || position.Offset < announced || stored < announced:
		return &Error{
			Kind: Unconfirmed, Op: "check end",
			Err: fmt.Errorf("only one answer says that the stream ends after %d records; the API announced %d", position.Offset, announced),
		}
	}
	return nil
}

// Accepted reports whether an end at the position is below the first announced total and is accepted only because the user
// accepts a short end.
func (e End) Accepted(position Position) bool {
	return position.Done && e.AcceptShort && position.Offset < position.AnnouncedFirst.N
}

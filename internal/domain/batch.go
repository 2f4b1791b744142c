package domain

import (
	"fmt"
	"time"
)

// A Batch holds the consecutive pages that one [EventStore.Commit] stores. Commit stores all of them or none.
type Batch struct {
	// Start is the checkpoint before the batch, as the runner read it. Commit succeeds only if the durable checkpoint is still
	// the same (invariant I3, see doc.go).
	Start Checkpoint
	// Pages has at least one page.
	Pages []DecodedPage
	// Next has the pages that will probably be the next batch, see [EventStore.Commit]. It may be empty.
	Next []DecodedPage
}

// TargetSeq returns the seq of the checkpoint after the batch is committed. Each page adds one.
func (b Batch) TargetSeq() int64 { return b.Start.Seq + int64(len(b.Pages)) }

// LastPage returns the batch's last page.
func (b Batch) LastPage() DecodedPage { return b.Pages[len(b.Pages)-1] }

// A CommitResult reports the effect of one Commit.
type CommitResult struct {
	Checkpoint Checkpoint   // the new checkpoint
	Counts     Counts       // the counts of this batch only; Checkpoint.Counts already includes them
	NewDrift   []DriftEntry // the entries that this Commit added to the stream's drift register

	// Committing is the time from sending COMMIT, with the last rows of the ledger, to its answer. It is 0 if it was not measured.
	Committing time.Duration
}

// An EndEvidence says how far pawl can trust an answer that ends a pass. APIs sometimes end a list too early, because of a
// fault or because a cache answers. The store calls Check when it commits the end, because only the database knows how many
// records are stored.
type EndEvidence struct {
	// Confirmed says that a second answer agrees with the end. All of these statements are then true:
	//   - An earlier answer to the same request ended the pass too.
	//   - This answer contains every record of the earlier answer.
	//   - Both answers end at the same offset, or this answer ends at or above the first announced total.
	Confirmed bool

	// Disputed says that a second answer contradicts the end. An earlier answer to the same request ended the pass too, but
	// this answer lacks a record of the earlier answer.
	Disputed bool

	// AcceptShort says that the user accepts a confirmed end below the first announced total.
	AcceptShort bool
}

// Check returns nil if a pass may end at the position. Otherwise it returns Unconfirmed if a second answer could confirm the
// end, and BadPage if the end cannot be true.
//
// accounted is the number of the stream's records that are stored or parked, in all passes together. A dead letter whose
// event is stored is left out, so that each record is counted once. If another stream stores into the same table, the number
// is unknown, and accounted is negative.
//
// Check applies the first of these rules that fits:
//   - A disputed end is Unconfirmed.
//   - A confirmed end is accepted if the user accepts a short end.
//   - An end below the first announced total is a BadPage. If the user accepts a short end, it is Unconfirmed instead.
//   - A confirmed end is accepted.
//   - If the API announced no total, or only 0, the end is Unconfirmed.
//   - If the position's Offset or accounted is below the greatest total that the API announced in this pass or in this run,
//     the end is Unconfirmed.
//   - Any other end is accepted.
func (e EndEvidence) Check(position Position, accounted int64) error {
	first := position.AnnouncedFirst.N
	greatest := max(first, position.AnnouncedLast.N, position.MaxAnnounced)
	hasAllAnnounced := greatest > 0 && position.Offset >= greatest && accounted >= greatest
	switch {
	case e.Disputed:
		return &Error{
			Kind: Unconfirmed, Code: CodeAPIEndUnconfirmed, Op: "check end",
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
			Kind: kind, Code: CodeAPIEndTooEarly, Op: "check end",
			Err:  fmt.Errorf("the API says that the stream ends after %d of %d records", position.Offset, first),
			Hint: "run it again later", Remedy: AcceptShortEnd, ShortEnd: true,
		}
	case e.Confirmed:
		return nil
	case !hasAllAnnounced:
		return &Error{
			Kind: Unconfirmed, Code: CodeAPIEndUnconfirmed, Op: "check end",
			Err: fmt.Errorf("only one answer says that the stream ends after %d records; the API announced %d", position.Offset, greatest),
		}
	}
	return nil
}

// AcceptedShort reports whether an end at the position is below the first announced total and is accepted only because the
// user accepts a short end. It assumes that Check has accepted the end.
func (e EndEvidence) AcceptedShort(position Position) bool {
	return position.Done && e.AcceptShort && position.Offset < position.AnnouncedFirst.N
}

package domain

// A Step is one page at its place in the stream.
type Step struct {
	From, To Place
	Page     Page
}

// A ReadPage is a Step whose records have been decoded: each has become an event or a reject, and what is left to do is
// to store the ones and park the others (I1).
type ReadPage struct {
	From, To Place
	Received int          // records in the page
	Events   []ReadEvent  // in upstream order
	Rejects  []Reject     // in upstream order
	Drift    []DriftCount // each path and kind once, in the order of the first records that have it
	Receipt  Receipt
	Hash     func(Record) RecordHash // the decoder's; nil: HashBytes

	MayPark int // letters that the page may add; a store that finds more refuses it, see TooStrange
}

// A ReadEvent is an event with the record it was read from, which is what is parked should no row be able to hold it.
type ReadEvent struct {
	Event

	Record Record
}

// A Batch is what one Commit stores: consecutive pages, all or nothing.
type Batch struct {
	Stream StreamID
	Epoch  int64 // with Seq, the checkpoint as it was read (I3)
	Seq    int64
	Pages  []ReadPage // at least one
}

// Target is the seq the checkpoint has once the batch is committed: every page counts one.
func (b Batch) Target() int64 { return b.Seq + int64(len(b.Pages)) }

// A CommitResult tells what one Commit did: the checkpoint it left, and its own share of the counts.
type CommitResult struct {
	Checkpoint Checkpoint
	Tally      Tally
	NewDrift   []DriftEntry // what the stream's register did not have before
}

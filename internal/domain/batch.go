package domain

// A Step is one page at its place in the stream.
type Step struct {
	From, To Place
	Page     Page
}

// A ReadPage is a Step whose records have been decoded: what is left to do is to store them.
type ReadPage struct {
	From, To Place
	Received int     // records in the page
	Events   []Event // in upstream order
	Drift    []Drift // each path and kind once
	Receipt  Receipt
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
}

package domain

import "time"

// A Summary reports the state of a stream and the work that led there, of one run or of all runs.
type Summary struct {
	Stream    StreamID
	Pass      int64
	Seq       int64
	Done      bool
	Announced Total // the latest total announced in this pass
	Accounted int64 // records of the stream that are stored or parked, all passes together

	Pages int64 // committed
	Counts
	Traffic
	Elapsed time.Duration
}

// A StreamReport is a stream's durable state with the totals of its ledger.
type StreamReport struct {
	Checkpoint Checkpoint
	Pages      int64 // committed, in all passes
	Traffic    Traffic
	Elapsed    time.Duration // from the first page's fetch to the last page's commit, pauses included
}

// Summary returns the summary of all runs together.
func (r StreamReport) Summary() Summary {
	return Summary{
		Stream: r.Checkpoint.Stream, Pass: r.Checkpoint.Pass, Seq: r.Checkpoint.Seq, Done: r.Checkpoint.Done,
		Announced: r.Checkpoint.AnnouncedLast, Accounted: r.Checkpoint.Inserted + r.Checkpoint.Parked,
		Pages: r.Pages, Counts: r.Checkpoint.Counts, Traffic: r.Traffic, Elapsed: r.Elapsed,
	}
}

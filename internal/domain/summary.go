package domain

import "time"

// A Summary reports the state of a stream, and the work of one run or of all runs together.
type Summary struct {
	Stream    StreamID
	Pass      int64
	Seq       int64
	Done      bool
	Offset    int64 // the number of records from the head that this pass has read
	Announced Total // the latest total that the API announced in this pass
	Accounted int64 // the number of records that are stored or parked, in all passes together

	// These fields describe the work.
	Pages int64 // the number of committed pages
	Counts
	Traffic
	Elapsed time.Duration
	Times   WorkTimes
}

// WorkTimes says how long each kind of work took. pawl does several kinds at the same time, so the sum may be greater than the time that
// has passed. The time of waits is in Traffic.Waited.
type WorkTimes struct {
	Fetching   time.Duration // from a request to the end of its answer, for all requests
	Decoding   time.Duration // decoding records
	Storing    time.Duration // storing batches, with the waits between attempts
	Committing time.Duration // the part of Storing from COMMIT to its answer
}

// A StreamReport is a stream's durable state with the totals of its ledger.
type StreamReport struct {
	Checkpoint Checkpoint
	Pages      int64 // the number of committed pages, in all passes
	Traffic    Traffic
	Elapsed    time.Duration // from the fetch of the first page to the commit of the last one; includes the time between runs
}

// Summary returns the summary of all runs together.
func (r StreamReport) Summary() Summary {
	return Summary{
		Stream: r.Checkpoint.Stream, Pass: r.Checkpoint.Pass, Seq: r.Checkpoint.Seq, Done: r.Checkpoint.Done,
		Offset: r.Checkpoint.Offset, Announced: r.Checkpoint.AnnouncedLast, Accounted: r.Checkpoint.Inserted + r.Checkpoint.Parked,
		Pages: r.Pages, Counts: r.Checkpoint.Counts, Traffic: r.Traffic, Elapsed: r.Elapsed,
	}
}

// A StreamStatus is what the database knows about a stream and its last runner.
type StreamStatus struct {
	StreamReport

	Runner    *RunnerReport // nil if no runner has reported yet
	Open      []ReasonCount // the open dead letters by reason, the most frequent first, without samples
	Drift     DriftTotal
	LastPages []LedgerPage // at most MaxLastPages, the last one first
	Now       time.Time    // the time by the clock of the database
}

// MaxLastPages is the number of pages in StreamStatus.LastPages.
const MaxLastPages = 5

// OpenLetters returns the number of open dead letters.
func (s StreamStatus) OpenLetters() int64 {
	var sum int64
	for _, c := range s.Open {
		sum += c.Count
	}
	return sum
}

// A DriftTotal sums up the drift register of a stream.
type DriftTotal struct {
	Entries int64 // the number of entries
	Records int64 // the sum of their counts; a record with several kinds of drift is counted several times
}

// A LedgerPage is a page in the ledger.
type LedgerPage struct {
	Seq, Pass   int64
	Counts      Counts
	CommittedAt time.Time
}

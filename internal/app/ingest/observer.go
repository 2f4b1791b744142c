package ingest

import (
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// An Observer is told what happens, in order and from the goroutine of Run, which waits for it: it must be quick. It
// cannot change the course of a run.
type Observer interface {
	WalkObserver

	// Claimed: the stream is ours, and this is where it stands.
	Claimed(at domain.Checkpoint)
	// Storing: the page is about to be committed; said for each attempt.
	Storing(page domain.DecodedPage)
	// Committed: the page is durable.
	Committed(page domain.DecodedPage, res domain.CommitResult)
}

// A WalkObserver is told how pages are come by, as an Observer is.
type WalkObserver interface {
	// Fetching: a request goes out for the page at this place, unless the rate limit holds it back.
	Fetching(at domain.Position)
	// Waiting: nothing happens until w.Until, because of w.Err.
	Waiting(w retry.Wait)
	// PassStarted: the upstream gave up the cursor, and the stream is read from the head again.
	PassStarted(at domain.Position)
}

// Package ingest is pawl's main use case: it reads a stream page by page and stores each event once, or parks the record.
// The invariants I1 to I6 are described in the documentation of package domain.
package ingest

import (
	"context"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// Options are the settings of a run.
type Options struct {
	Stream    domain.StreamID
	SourceURL string       // Run returns Invalid if the stream has pages from another source URL
	PageSize  int          // records to ask for in one page
	NewPass   bool         // a stream that is done is read from the head again; one that is not continues its pass
	Retry     retry.Policy // for each page that is fetched and each batch that is committed

	// MaxRejectRatio is the ratio of a page's records, from 0 to 1, that may be rejects. A page with more rejects stops the
	// run. Up to nine rejects are always allowed.
	MaxRejectRatio float64

	// AcceptShortEnd accepts an end below the first announced total, if two answers in a row confirm it.
	AcceptShortEnd bool
}

// An Observer is called for each step of a run, in order and from the goroutine of Run. Run waits for it, so it must be
// quick. It cannot change the course of a run.
type Observer interface {
	WalkObserver

	// Claimed is called when the stream has been claimed, with its checkpoint.
	Claimed(at domain.Checkpoint)
	// Storing is called before each attempt to commit a page.
	Storing(page domain.DecodedPage)
	// Committed is called when a page is durable.
	Committed(page domain.DecodedPage, res domain.CommitResult)
}

// A WalkObserver is called for each step of fetching, like an [Observer].
type WalkObserver interface {
	// Fetching is called before a request for the page at a position. A rate limit may still hold the request back.
	Fetching(at domain.Position)
	// Waiting is called when nothing will happen until w.Until, because of w.Err.
	Waiting(w retry.Wait)
	// PassStarted is called when the API has lost the cursor and the stream is read from the head again.
	PassStarted(at domain.Position)
}

// A Runner reads one stream from a source into a store.
type Runner struct {
	source   domain.EventSource
	decoder  domain.Decoder
	store    domain.EventStore
	observer Observer
	opts     Options
}

// New returns a runner. It does nothing until Run.
func New(
	source domain.EventSource, decoder domain.Decoder, store domain.EventStore, observer Observer, opts Options,
) *Runner {
	return &Runner{source: source, decoder: decoder, store: store, observer: observer, opts: opts}
}

// Run claims the stream and stores page after page until the pass is done, an error is final, or ctx ends. However it
// ends, also by kill -9, the durable checkpoint is right after the last stored page (I1), and the next run continues
// there. If the stream is done, Run claims it and reads nothing, unless Options.NewPass is set.
//
// Run waits in three places. Claiming waits a moment for a runner that may have just ended. Fetching waits for the rate limit
// as long as the API demands, and backs off after failures. Committing backs off after failures of the database. If a COMMIT got no answer, the durable checkpoint decides before
// anything else is done (I4): if the commit happened the run continues, else it commits the same batch again. If another
// runner has taken over, the run ends with kind domain.Fenced, or with domain.SetBack if the database was set back to an
// earlier state. When ctx ends, waits end at once. An attempt to commit is not interrupted: the current page is stored or
// cleanly rolled back.
//
// With an error, whose kind says what to do, Run returns the summary until then. A page whose COMMIT remained uncertain
// is not in it. If the run could not claim the stream it did nothing, and the summary's pass is 0. A Runner runs once at
// a time.
func (r *Runner) Run(ctx context.Context) (domain.Summary, error) {
	sum := summary{Summary: domain.Summary{Stream: r.opts.Stream}, began: time.Now()}
	at, err := r.claim(ctx)
	if err != nil {
		return sum.at(at), err
	}
	start := at.Position
	if at.Done && r.opts.NewPass {
		start = at.NextPass()
	}

	fetcher := r.newFetcher()
	fetcher.hold.save = func(ctx context.Context, until time.Time) error { return r.store.Hold(ctx, at, until) }
	for fetched, err := range fetcher.pages(ctx, start, at.HeldUntil) { // fetch: in order (I6), until the end of the pass
		sum.Traffic = fetcher.traffic
		if err != nil {
			return sum.at(at), err
		}
		page, err := r.decode(ctx, fetched) // decode: every record becomes an event or a reject (I1)
		if err != nil {
			return sum.at(at), err
		}
		page.End = fetcher.compareEnds(page) // the store decides about the end, when it commits the page
		page.End.AcceptShort = r.opts.AcceptShortEnd
		if err := page.CheckRejectRatio(page.Rejects); err != nil { // too many cannot be decoded: stop before anything is stored
			return sum.at(at), err
		}
		res, err := r.commit(ctx, at, page) // one transaction: events, dead letters, ledger, checkpoint (I1, I3, I4)
		if fetcher.refetch(err) {           // the store refuses the page, or wants its end confirmed: fetch it again
			continue
		}
		if err != nil {
			return sum.at(at), err
		}
		at = res.Checkpoint
		sum.add(res) // counts as the database returned them (I5)
		r.observer.Committed(page, res)
	}
	return sum.at(at), nil
}

// minRejects is the number of rejects from which a page is checked against the ratio. One bad record on a page of two is
// no sign that the API has changed.
const minRejects = 10

// decodeGrace is how long decoding of the current page may continue after ctx has ended.
const decodeGrace = 10 * time.Second

// decode decodes a page and sets how many dead letters it may add. It continues for decodeGrace after ctx has ended: the
// current page can be stored, and a slow page cannot prevent the run from stopping.
func (r *Runner) decode(ctx context.Context, fetched domain.FetchedPage) (domain.DecodedPage, error) {
	ctx, cancel := withGrace(ctx, decodeGrace)
	defer cancel()
	page, err := fetched.Decode(ctx, r.decoder)
	maxRejects := r.opts.MaxRejectRatio * float64(page.Received)
	page.MaxParked = max(minRejects-1, int(maxRejects+1e-9)) // 0.29 of 100 is computed as 28.999…
	return page, err
}

// withGrace returns a context that ends grace after ctx, or when the returned function is called.
func withGrace(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	extended, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, cancel)
		context.AfterFunc(extended, func() { timer.Stop() })
	})
	return extended, func() {
		stop()
		cancel()
	}
}

// A summary adds up what a run does.
type summary struct {
	domain.Summary

	began time.Time
}

func (s *summary) add(res domain.CommitResult) {
	s.Pages++
	s.Counts = s.Counts.Add(res.Counts)
}

// at returns the summary of a run that ends at the durable checkpoint c.
func (s *summary) at(c domain.Checkpoint) domain.Summary {
	s.Pass, s.Seq, s.Done, s.Announced, s.Accounted = c.Pass, c.Seq, c.Done, c.AnnouncedLast, c.Inserted+c.Parked
	s.Elapsed = time.Since(s.began)
	return s.Summary
}

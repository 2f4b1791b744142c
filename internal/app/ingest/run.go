// Package ingest contains pawl's main use case. It reads a stream page by page. For each record it stores the event once, or parks
// the record if the record cannot become a row. The comments name the invariants I1 to I6, which the documentation of package
// domain describes.
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
	PageSize  int          // the number of records to ask for in one page
	NewPass   bool         // starts a new pass if the stream is done; has no effect if the stream is not done
	Retry     retry.Policy // limits the attempts and waits for each page to fetch and for each page to commit

	// MaxRejectRatio is the greatest ratio of rejects to records, from 0 to 1, that a page may have. A page with a higher
	// ratio stops the run. But a page with fewer than ten rejects never stops the run.
	MaxRejectRatio float64

	// AcceptShortEnd accepts an end below the first announced total, if two answers in a row have this end.
	AcceptShortEnd bool
}

// An Observer is notified of each step of a run. Run calls its methods in order, from one goroutine, and waits until they
// return. So they must be quick. They cannot change what the run does.
type Observer interface {
	WalkObserver

	// Claimed is called once, when the run has claimed the stream.
	Claimed(checkpoint domain.Checkpoint)
	// Storing is called before each attempt to commit a page.
	Storing(page domain.DecodedPage)
	// Committed is called when a page is durable.
	Committed(page domain.DecodedPage, res domain.CommitResult)
}

// A WalkObserver is notified of each step of fetching pages, in a run or in a [Walk].
type WalkObserver interface {
	// Fetching is called before each request for the page at a position. The source may still refuse to send the request
	// because of the rate limit.
	Fetching(position domain.Position)
	// Waiting is called before each wait. w.Err is the reason for the wait.
	Waiting(w retry.Wait)
	// PassStarted is called when the API no longer accepts the cursor, so that a new pass begins at the head of the stream.
	PassStarted(position domain.Position)
}

// A Runner reads one stream from a source into a store.
type Runner struct {
	source   domain.EventSource
	decoder  domain.Decoder
	store    domain.EventStore
	observer Observer
	opts     Options
}

// New returns a runner. The runner does nothing until Run is called.
func New(
	source domain.EventSource, decoder domain.Decoder, store domain.EventStore, observer Observer, opts Options,
) *Runner {
	return &Runner{source: source, decoder: decoder, store: store, observer: observer, opts: opts}
}

// Run claims the stream and then fetches, decodes and commits page after page. It returns nil when the pass is done. If the
// stream is done already and Options.NewPass is false, Run only claims it.
//
// Whenever the process ends, even by kill -9, the durable checkpoint is at the end of the last stored page (I1). The next
// run continues from there.
//
// Run waits in these situations:
//   - If another runner may hold the stream, Run tries to claim it for some seconds.
//   - If the rate limit refuses a request, Run waits as long as the API demands, within Options.Retry.MaxWait.
//   - After any other failure of the API or the database, Run waits a random time that grows with each failure.
//
// If a COMMIT got no answer, Run reads the durable checkpoint (I4). If the transaction was committed, the run continues with
// the next page. Otherwise Run commits the same page again. If another runner has claimed the stream, Run returns
// domain.Fenced. If the database was set back to an earlier state, Run returns domain.SetBack.
//
// When ctx ends, Run returns domain.Stopped. It ends a wait at once. But if Run has fetched a page, it first decodes the page,
// which may take up to decodeGrace, and commits it, which may take up to commitGrace. Either the whole page is stored, or nothing
// of it.
//
// The summary describes the run even if Run returns an error. If it is unknown whether the last page was committed, the
// summary does not count this page. If Run could not claim the stream, the summary's pass is 0.
//
// Run may be called again, but not while it is running.
func (r *Runner) Run(ctx context.Context) (domain.Summary, error) {
	sum := summary{Summary: domain.Summary{Stream: r.opts.Stream}, began: time.Now()}
	checkpoint, err := r.claim(ctx)
	if err != nil {
		return sum.endAt(checkpoint), err
	}
	start := checkpoint.Position
	if checkpoint.Done && r.opts.NewPass {
		start = checkpoint.NextPass()
	}

	fetcher := r.newFetcher()
	fetcher.hold.save = func(ctx context.Context, until time.Time) error { return r.store.Hold(ctx, checkpoint, until) }

	// The loop gets the pages in order (I6), and ends after the last page of the pass.
	for fetched, err := range fetcher.pages(ctx, start, checkpoint.HeldUntil) {
		sum.Traffic = fetcher.traffic
		if err != nil {
			return sum.endAt(checkpoint), err
		}

		// Each record becomes an event or a reject (I1).
		page, err := r.decode(ctx, fetched)
		if err != nil {
			return sum.endAt(checkpoint), err
		}
		// Too many rejects stop the run before anything of the page is stored.
		if err := page.CheckRejectRatio(page.Rejects); err != nil {
			return sum.endAt(checkpoint), err
		}
		page.End = fetcher.compareEnds(page)
		page.End.AcceptShort = r.opts.AcceptShortEnd

		// One transaction stores the events, the dead letters, the ledger row and the new checkpoint (I1, I3, I4).
		res, err := r.commit(ctx, checkpoint, page)
		if fetcher.refetch(err) { // the store needs another answer, so the loop gets the same page again
			continue
		}
		if err != nil {
			return sum.endAt(checkpoint), err
		}
		checkpoint = res.Checkpoint
		sum.add(res) // the counts of res come from the database (I5)
		r.observer.Committed(page, res)
	}
	return sum.endAt(checkpoint), nil
}

// minRejects is the least number of rejects with which a page can stop the run because of MaxRejectRatio. Fewer rejects do not
// show that the API has changed, even if the page is so small that their ratio is high.
const minRejects = 10

// decodeGrace is the time for which decode may continue after ctx has ended.
const decodeGrace = 10 * time.Second

// decode decodes a page and sets the number of dead letters that the page may add. If ctx ends, decode continues for at most
// decodeGrace, so that the current page can still be stored. After that it returns Stopped, so that a page that is slow to decode
// does not delay the end of the run any longer.
func (r *Runner) decode(ctx context.Context, fetched domain.FetchedPage) (domain.DecodedPage, error) {
	ctx, cancel := withGrace(ctx, decodeGrace)
	defer cancel()
	page, err := fetched.Decode(ctx, r.decoder)
	maxRejects := r.opts.MaxRejectRatio * float64(page.Received)
	const roundingError = 1e-9 // 0.29 * 100 is 28.999… in binary floating point, but must allow 29 rejects
	page.MaxParked = max(minRejects-1, int(maxRejects+roundingError))
	return page, err
}

// withGrace returns a context that ends when the time grace has passed since ctx ended, or when the returned function is
// called.
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

// A summary is the summary of a run that is not finished.
type summary struct {
	domain.Summary

	began time.Time // the start of the run
}

func (s *summary) add(res domain.CommitResult) {
	s.Pages++
	s.Counts = s.Counts.Add(res.Counts)
}

// endAt returns the summary of the run, which ends at the durable checkpoint.
func (s *summary) endAt(checkpoint domain.Checkpoint) domain.Summary {
	s.Pass, s.Seq, s.Done = checkpoint.Pass, checkpoint.Seq, checkpoint.Done
	s.Announced = checkpoint.AnnouncedLast
	s.Accounted = checkpoint.Inserted + checkpoint.Parked
	s.Elapsed = time.Since(s.began)
	return s.Summary
}

// Package ingest contains pawl's main use case. It reads a stream page by page. For each record it stores the event once, or parks
// the record if the record cannot become a row. The comments name the invariants I1 to I6, which the documentation of package
// domain describes.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
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
	Retry     retry.Policy // limits the attempts and waits for each page to fetch
	Outage    retry.Policy // limits the time in which the database may fail, from the first failure until something is stored

	// MaxRejectRatio is the greatest ratio of rejects to records, from 0 to 1, that a page may have. A page with a higher
	// ratio stops the run. But a page with fewer than ten rejects never stops the run.
	MaxRejectRatio float64

	// AcceptShortEnd accepts that the stream ends with fewer records than the API announced at first, if two answers in a row have the
	// same end.
	AcceptShortEnd bool

	// MaxBufferBytes bounds the bytes of the pages that wait to be stored. The size of a page is not known before it is fetched, so Run
	// takes it for as large as the page before. The first page that waits may have any size. If MaxBufferBytes is 0, Run fetches a page
	// only after the page before it is stored.
	MaxBufferBytes int64

	MaxPages int // Run stops after this many pages; 0 if there is no limit

	// Grace is the greatest time for which Run decodes and stores pages after it was asked to stop. A transaction that is not committed then
	// is rolled back.
	Grace time.Duration
}

// ErrMaxPages is wrapped by the error of a run that has stored MaxPages pages and is not at the end of the pass. The error's kind is
// domain.Stopped.
var ErrMaxPages = errors.New("as asked")

// An Observer is notified of each step of a run. Run calls the methods of FetchObserver from one goroutine, and the methods of
// StoreObserver from another one, because it fetches a page while it stores earlier pages. Each goroutine calls its methods in order and
// waits until they return. So the methods must be quick. They cannot change what the run does.
type Observer interface {
	FetchObserver
	StoreObserver
}

// A FetchObserver is notified of each step of fetching pages, in a run or in a [Walk].
type FetchObserver interface {
	// Fetching is called before each request for the page at a position. The source may still refuse to send the request
	// because of the rate limit.
	Fetching(position domain.Position)
	// Waiting is called before each wait for the API. w.Err is the reason for the wait.
	Waiting(w retry.Wait)
	// CursorLost is called when the API no longer accepts the cursor, or the cursor leads in a circle. Reading goes on at position: at the
	// head of a new pass, or at an earlier page of the same pass. The last pages before the lost cursor may not be stored yet.
	CursorLost(position domain.Position)
}

// A StoreObserver is notified of each step of claiming a stream and of storing its pages.
type StoreObserver interface {
	// Claimed is called once, when the run has claimed the stream.
	Claimed(checkpoint domain.Checkpoint)
	// Storing is called before each attempt to commit a batch of pages.
	Storing(batch domain.Batch)
	// WaitingToStore is called before each wait for the database or for another runner. w.Err is the reason for the wait.
	WaitingToStore(w retry.Wait)
	// Committed is called when the pages of a batch are durable. After it returns, the memory of the batch is used for other pages,
	// so the observer must copy what it keeps.
	Committed(batch domain.Batch, res domain.CommitResult)
}

// A Runner reads one stream from a source into a store.
type Runner struct {
	source   domain.EventSource
	decoder  domain.Decoder
	store    domain.EventStore
	observer Observer
	opts     Options
	outage   *retry.Budget // of Options.Outage; used by the goroutine of Run only
	events   eventMemory
}

// New returns a runner. The runner does nothing until Run is called.
func New(
	source domain.EventSource, decoder domain.Decoder, store domain.EventStore, observer Observer, opts Options,
) *Runner {
	return &Runner{source: source, decoder: decoder, store: store, observer: observer, opts: opts}
}

// Run claims the stream and then fetches, decodes and commits page after page. It fetches and decodes the next pages while it
// commits, within Options.MaxBufferBytes, and it commits all pages that are ready in one transaction. It returns nil when the pass is
// done. If the stream is done already and Options.NewPass is false, Run only claims it.
//
// Whenever the process ends, even by kill -9, the durable checkpoint is at the end of the last stored page (I1). The next
// run continues from there.
//
// Run waits in these situations:
//   - If another runner may hold the stream, Run tries to claim it for some seconds.
//   - If the rate limit refuses a request, Run waits as long as the API demands, within Options.Retry.MaxWait.
//   - After any other failure of the API or the database, Run waits a random time that grows with each failure. Options.Retry limits the
//     attempts for a page, and Options.Outage the time without a working database.
//
// If a COMMIT got no answer, Run reads the durable checkpoint (I4). If the transaction was committed, the run continues with
// the next batch. Otherwise Run commits the same batch again. If another runner has claimed the stream, Run returns
// domain.Fenced. If the database was set back to an earlier state, Run returns domain.SetBack.
//
// When ctx ends, Run ends a wait at once, stores the pages that it has fetched, and then returns domain.Stopped. It does so for at most
// Options.Grace after the end of ctx. Of each page, either all is stored or nothing.
//
// The summary describes the run even if Run returns an error. If it is unknown whether the last pages were committed, the
// summary does not count them. If Run could not claim the stream, the summary's pass is 0.
//
// If Run has stored Options.MaxPages pages, it sends no further request, and returns an error that wraps ErrMaxPages, unless the pass is
// done.
//
// Run may be called again, but not while it is running.
func (r *Runner) Run(ctx context.Context) (domain.Summary, error) {
	sum := summary{Summary: domain.Summary{Stream: r.opts.Stream}, began: time.Now()}
	r.outage = r.opts.Outage.Budget()
	checkpoint, err := r.claim(ctx)
	if err == nil {
		checkpoint, err = r.readPass(ctx, checkpoint, &sum)
	}
	return sum.endAt(checkpoint), err
}

// readPass reads the stream from the claimed checkpoint to the end of the pass. It returns the checkpoint after the last page that is
// stored, and adds its work to sum.
func (r *Runner) readPass(ctx context.Context, claimed domain.Checkpoint, sum *summary) (domain.Checkpoint, error) {
	start := claimed.Position
	if claimed.Done && r.opts.NewPass {
		start = claimed.NextPass()
	}
	fetcher := newFetcher(r.source, r.observer, r.opts.Retry, r.opts.PageSize, start, claimed.HeldUntil)
	fetcher.hold.save = func(ctx context.Context, until time.Time) error { return r.store.Hold(ctx, claimed, until) }
	fetcher.recovery.stepBack = r.stepBack
	var stored atomic.Int64 // read by the goroutine that fetches
	stored.Store(claimed.Inserted + claimed.Parked)
	fetcher.recovery.stored, fetcher.recovery.lastStored = stored.Load, stored.Load()
	if claimed.LeadsBack {
		fetcher.next.lost = errLeadsBack()
	}
	prefetcher := newPrefetcher(fetcher, r.decode, r.opts.MaxBufferBytes, r.opts.Grace)
	prefetcher.maxTotal = r.opts.MaxPages
	defer sum.addFetching(fetcher, prefetcher)
	commitCtx, cancel := withGrace(ctx, r.opts.Grace)
	defer cancel()

	checkpoint := claimed
	for pages, err := range prefetcher.batches(ctx) { // in order (I6), decoded (I1), up to the end of the pass
		if err != nil {
			return checkpoint, err
		}
		// One transaction stores the events, the dead letters, the ledger rows and the new checkpoint (I1, I3, I4).
		batch := newBatch(checkpoint, pages, prefetcher.following())
		began := time.Now()
		res, err := r.commit(ctx, commitCtx, batch)
		sum.Times.Storing += time.Since(began)
		if prefetcher.repeat(pages, err) { // batches yields these pages again, or another answer for the page
			continue
		}
		if err != nil {
			return checkpoint, err
		}
		prefetcher.batchStored(len(pages))
		checkpoint = res.Checkpoint
		stored.Store(checkpoint.Inserted + checkpoint.Parked)
		sum.add(batch, res) // the counts of res come from the database (I5)
		r.observer.Committed(batch, res)
		r.release(batch)
	}
	if prefetcher.pagesAllowed() <= 0 && !checkpoint.Done {
		return checkpoint, maxPagesError(r.opts.MaxPages, checkpoint)
	}
	return checkpoint, nil
}

// maxPagesError returns the error of a run that has stored its last page before the end of the pass.
func maxPagesError(pages int, checkpoint domain.Checkpoint) error {
	return &domain.Error{
		Kind: domain.Stopped, Code: domain.CodePageLimitReached, Op: fmt.Sprintf("stopped after page %d of this run", pages),
		Err: fmt.Errorf("%w, %s", ErrMaxPages, readBefore(checkpoint)),
	}
}

// readBefore returns in words how much of the stream is before the checkpoint.
func readBefore(checkpoint domain.Checkpoint) string {
	if percent, known := checkpoint.PercentRead(); known {
		return fmt.Sprintf("%d %% read", percent)
	}
	return fmt.Sprintf("%d records read", checkpoint.Offset)
}

// release lets later pages use the memory of a stored batch again. Nothing may use the batch after this call.
func (r *Runner) release(batch domain.Batch) {
	for _, page := range batch.Pages {
		r.events.put(page.Events)
		if page.Release != nil {
			page.Release()
		}
	}
}

// newBatch returns the batch of pages that follow the checkpoint start. next are the pages after them, as far as they are ready.
func newBatch(start domain.Checkpoint, pages, next []decodedPage) domain.Batch {
	batch := domain.Batch{Start: start}
	for _, page := range pages {
		batch.Pages = append(batch.Pages, page.DecodedPage)
	}
	for _, page := range next {
		batch.Next = append(batch.Next, page.DecodedPage)
	}
	return batch
}

// minRejects is the least number of rejects with which a page can stop the run because of MaxRejectRatio. Fewer rejects do not
// show that the API has changed, even if the page is so small that their ratio is high.
const minRejects = 10

// decode decodes a page, so that each record is an event or a reject (I1). It also sets how many dead letters the page may add, and how
// far the end of its pass can be trusted. It returns TooManyRejects if the page has too many rejects, and Stopped if ctx ends first.
func (r *Runner) decode(ctx context.Context, fetched fetchedPage) (domain.DecodedPage, error) {
	page, err := fetched.Decode(ctx, r.decoder, r.events.take())
	if err != nil {
		return domain.DecodedPage{}, err
	}
	page.MaxParked = MaxParked(page.Received, r.opts.MaxRejectRatio) // CheckRejectRatio and the store check this limit
	if err := page.CheckRejectRatio(page.Rejects); err != nil {
		return domain.DecodedPage{}, err
	}
	page.End = fetched.request.compareEnds(page)
	page.End.AcceptShort = r.opts.AcceptShortEnd
	return page, nil
}

// MaxParked returns how many records of a page with this number of records may be rejects. ratio is [Options.MaxRejectRatio].
func MaxParked(records int, ratio float64) int {
	// In binary floating point 0.29 * 100 is 28.999…, but this ratio must allow 29 rejects of 100.
	const roundingError = 1e-9
	return max(minRejects-1, int(ratio*float64(records)+roundingError))
}

// withGrace returns a context that ends when the time grace has passed since ctx ended, or when the returned function is
// called.
func withGrace(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	extended, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stopWatching := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, cancel)
		context.AfterFunc(extended, func() { timer.Stop() }) // the timer is of no use if the caller cancels before it fires
	})
	return extended, func() {
		stopWatching()
		cancel()
	}
}

// A summary is the summary of a run that is not finished.
type summary struct {
	domain.Summary

	began time.Time // the start of the run
}

// add adds the pages of a committed batch.
func (s *summary) add(batch domain.Batch, res domain.CommitResult) {
	s.Pages += int64(len(batch.Pages))
	s.Counts = s.Counts.Add(res.Counts)
	s.Times.Committing += res.Committing
}

// addFetching adds the requests of a fetcher, and the times that fetching and decoding took.
func (s *summary) addFetching(fetcher *fetcher, prefetcher *prefetcher) {
	s.Traffic = fetcher.traffic
	s.Times.Fetching = fetcher.fetching
	s.Times.Decoding = prefetcher.decoding
}

// endAt returns the summary of the run, which ends at the durable checkpoint.
func (s *summary) endAt(checkpoint domain.Checkpoint) domain.Summary {
	s.Pass, s.Seq, s.Done = checkpoint.Pass, checkpoint.Seq, checkpoint.Done
	s.Offset, s.Announced = checkpoint.Offset, checkpoint.AnnouncedLast
	s.Accounted = checkpoint.Inserted + checkpoint.Parked
	s.Elapsed = time.Since(s.began)
	return s.Summary
}

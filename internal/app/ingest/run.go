// Package ingest is the use case pawl exists for: read a stream page by page and store each of its events once, or park
// the record. The invariants I1 to I6 it cites stand in the documentation of package domain.
package ingest

import (
	"context"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// Options are what a run is asked for.
type Options struct {
	Stream    domain.StreamID
	SourceURL string       // a stream that has pages from another origin is refused
	PageSize  int          // records to ask for in one page
	NewPass   bool         // a stream that is done is read from the head again; one that is not goes on with its pass
	Retry     retry.Policy // for each page that is fetched and each batch that is committed

	// MaxRejectRatio is the share of a page's records, from 0 to 1, that may become dead letters; a page with more of them,
	// and at least ten, stops the run.
	MaxRejectRatio float64

	// AcceptShortEnd accepts an end that two answers in a row say, although the first announced total was not reached.
	AcceptShortEnd bool
}

// A Runner moves one stream from a source into a store.
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

// Run claims the stream and stores page after page until the pass is done, an error is final or ctx ends. Whatever ends
// it, kill -9 included, the durable checkpoint stands right after the last page that was stored (I1), and the next run
// goes on from there. A stream that is done is claimed and not read, unless Options.NewPass is set.
//
// Run waits in two places: fetching waits for the rate limit as long as the upstream says and backs off after failures,
// and so does committing after failures of the database. A COMMIT that was not answered is settled by the durable
// checkpoint before anything else is done (I4): if it happened the run goes on, if not the same batch is committed
// again, and if another runner has taken over the run ends with kind domain.Fenced, or with domain.SetBack
// if the database was set back to an earlier state. When ctx ends, waits end at once,
// while an attempt to commit is not cut short: the page in hand is stored or cleanly rolled back.
//
// With an error, whose kind says what is to be done, Run returns what it did until then; a page whose COMMIT could not
// be settled is not in it. A run that could not claim the stream did nothing, and its summary's pass is 0. A Runner runs
// once at a time.
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

	pages := r.newPages()
	pages.hold.save = func(ctx context.Context, until time.Time) error { return r.store.Hold(ctx, at, until) }
	for step, err := range pages.from(ctx, start, at.HeldUntil) { // fetch: in order (I6), until the end of the pass
		sum.Traffic = pages.traffic
		if err != nil {
			return sum.at(at), err
		}
		page, err := r.read(ctx, step) // decode: every record becomes an event or a reject (I1)
		if err != nil {
			return sum.at(at), err
		}
		if err := page.CheckRejectRatio(page.Rejects); err != nil { // too many rejects: stop before anything is stored
			return sum.at(at), err
		}
		res, err := r.commit(ctx, at, page) // one transaction: events, dead letters, ledger, checkpoint (I1, I3); settles doubt (I4)
		if pages.refuse(err) {              // the store does not believe the page, or the end it says: ask for it once more
			continue
		}
		if err != nil {
			return sum.at(at), err
		}
		at = res.Checkpoint
		sum.add(res) // counts as the database answered them (I5)
		r.observer.Committed(page, res)
	}
	return sum.at(at), nil
}

// minRejects is how many rejects a page must have before it is held against the ratio: one bad record on a page of two
// says nothing of the API.
const minRejects = 10

// decodeGrace is how long a run that was told to stop goes on decoding the page in hand.
const decodeGrace = 10 * time.Second

// read decodes a page and says how many dead letters it may add. It goes on for decodeGrace after ctx has ended, so that a
// page in hand is stored, and no page can keep a run from stopping.
func (r *Runner) read(ctx context.Context, step domain.FetchedPage) (domain.DecodedPage, error) {
	ctx, cancel := endingLater(ctx, decodeGrace)
	defer cancel()
	page, err := step.Decode(ctx, r.decoder)
	share := r.opts.MaxRejectRatio * float64(page.Received)
	page.End.AcceptShort = r.opts.AcceptShortEnd
	page.MaxParked = max(minRejects-1, int(share+1e-9)) // 0.29 of 100 is 28.999…, and 29 are not more than that
	return page, err
}

// endingLater returns a context that ends grace after ctx, or with the returned function.
func endingLater(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, cancel)
		context.AfterFunc(later, func() { timer.Stop() })
	})
	return later, func() {
		stop()
		cancel()
	}
}

// Package ingest is the use case pawl exists for: read a stream page by page and store every page once.
package ingest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// Options say what a run does.
type Options struct {
	Stream   domain.StreamID
	Origin   string // what the stream reads from
	PageSize int    // records asked for in one page
	NewPass  bool   // begin at the head again, whatever the checkpoint says
	Retry    retry.Policy
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

// Run claims the stream and stores page after page until the pass is done, an error is final or ctx ends. It returns
// what this run did also with an error, whose kind says what is to be done; a run that could not claim the stream did
// nothing, and its pass is 0. Whatever ends it, the checkpoint
// stands behind the last page stored (I1) and another Run goes on from there. A stream that is done stays as it is
// unless Options.NewPass is set. A Runner runs once at a time.
func (r *Runner) Run(ctx context.Context) (domain.Summary, error) {
	sum := summary{Summary: domain.Summary{Stream: r.opts.Stream}, began: time.Now()}
	at, err := r.claim(ctx)
	if err != nil {
		return sum.at(at), err
	}
	start := at.Place
	if r.opts.NewPass && at.Seq > 0 {
		start = at.NextPass()
	}

	pages := r.newPages()
	for step, err := range pages.from(ctx, start) { // fetch: waits out what is worth waiting out
		sum.Traffic = pages.traffic
		if err != nil {
			return sum.at(at), err
		}
		batch, err := r.read(at, step) // decode: every record becomes an event, or the run stops before I1 is at stake
		if err != nil {
			return sum.at(at), err
		}
		res, err := r.commit(ctx, at, batch) // one transaction: rows, ledger, checkpoint (I1, I3)
		if err != nil {
			return sum.at(at), err
		}
		at = res.Checkpoint
		sum.add(res) // I5
		r.observer.Committed(batch.Pages[0], res)
	}
	return sum.at(at), nil
}

// read decodes a page. A record that cannot become an event stops the run with the page uncommitted: nothing is dropped,
// nothing half stored.
func (r *Runner) read(at domain.Checkpoint, step domain.Step) (domain.Batch, error) {
	page := domain.ReadPage{
		From: step.From, To: step.To, Receipt: step.Page.Receipt,
		Received: len(step.Page.Records),
		Events:   make([]domain.Event, 0, len(step.Page.Records)),
	}
	for _, record := range step.Page.Records {
		event, drift, err := r.decoder.Decode(record)
		if err != nil {
			return domain.Batch{}, malformed(at, step, record, err)
		}
		page.Events = append(page.Events, event)
		for _, d := range drift {
			if !slices.Contains(page.Drift, d) {
				page.Drift = append(page.Drift, d)
			}
		}
	}
	return domain.Batch{Stream: at.Stream, Epoch: at.Epoch, Seq: at.Seq, Pages: []domain.ReadPage{page}}, nil
}

func malformed(at domain.Checkpoint, step domain.Step, record domain.Record, err error) error {
	return &domain.Error{
		Kind: domain.Drifted, Op: "decode",
		Err: fmt.Errorf("page %d of pass %d (request id %q), record at index %d: %w",
			at.Seq+1, step.To.Pass, step.Page.Receipt.RequestID, record.Index, err),
		Hint: "nothing of this page was stored; look at the record, and run again when the API or pawl is mended",
	}
}

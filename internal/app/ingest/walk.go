package ingest

import (
	"context"
	"iter"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// WalkOptions are the settings of a walk.
type WalkOptions struct {
	PageSize int          // the number of records to ask for in one page
	Retry    retry.Policy // limits the attempts and waits for each page

	// KnownStream says that the stream was read before. Otherwise an answer that has nothing of a page soon ends the walk with
	// Invalid, because the address is probably wrong.
	KnownStream bool

	// AcceptShortEnd accepts that the stream ends with fewer records than the API announced at first, if two answers in a row have the
	// same end.
	AcceptShortEnd bool
}

// Walk returns an iterator that reads a stream from its head to its end and stores nothing. The iterator yields the pages that a
// [Runner.Run] from the head would commit, in the same order. Like a run, it waits and tries again after failures. If necessary, it
// asks for a second answer to confirm an end. It does not accept a page with the records of an earlier page of its pass.
//
// If the API no longer accepts the cursor, a new pass begins at the head. So a consumer that compares or counts records must
// start again when a page has another From.Pass than the page before it. The first pass is 1. If the iterator yields an error, the
// iteration ends. Each use of the iterator is a new walk.
func Walk(
	ctx context.Context, source domain.EventSource, decoder domain.Decoder, observer FetchObserver, opts WalkOptions,
) iter.Seq2[domain.DecodedPage, error] {
	return func(yield func(domain.DecodedPage, error) bool) {
		head, noHold := domain.Position{Pass: 1}, time.Time{}
		fetcher := newFetcher(source, observer, opts.Retry, opts.PageSize, head, noHold)
		fetcher.knownStream = opts.KnownStream
		yielded := yieldedPages{}
		for fetched, err := range fetcher.pages(ctx) {
			var page domain.DecodedPage
			if err == nil {
				page, err = fetched.Decode(ctx, decoder, nil)
			}
			if err == nil {
				page.End = fetched.request.compareEnds(page)
				page.End.AcceptShort = opts.AcceptShortEnd
				err = yielded.check(page)
				if needsOtherAnswer(err) { // the fetcher yields another answer for this page
					fetcher.refetch(fetched.request, err)
					continue
				}
			}
			if !yield(page, err) || err != nil {
				return
			}
			yielded.add(page)
		}
	}
}

// yieldedPages are the pages of the current pass that a walk has yielded.
type yieldedPages struct {
	pass   int64
	hashes map[string]bool // the hashes that domain.DecodedPage.IDsHash returned for these pages
}

// check returns BadPage if the page has the same records as an earlier page of its pass. If the page ends the pass, check
// returns the error of [domain.EndEvidence.Check].
func (y *yieldedPages) check(page domain.DecodedPage) error {
	if page.From.Pass == y.pass && y.hashes[string(page.IDsHash())] {
		return repeatsError(
			"after %d records the API answered with those of an earlier page of this pass", page.From.Offset)
	}
	if page.To.Done {
		received := page.To.Offset
		return page.End.Check(page.To, received) // a walk stores nothing, so each received record counts as stored
	}
	return nil
}

// add adds a page. If the page begins another pass, add first removes the pages of the pass before it.
func (y *yieldedPages) add(page domain.DecodedPage) {
	if page.From.Pass != y.pass {
		*y = yieldedPages{pass: page.From.Pass, hashes: map[string]bool{}}
	}
	if hash := page.IDsHash(); hash != nil {
		y.hashes[string(hash)] = true
	}
}

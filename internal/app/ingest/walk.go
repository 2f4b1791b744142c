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
	PageSize int          // records to ask for in one page
	Retry    retry.Policy // for each page

	// AcceptShortEnd accepts an end below the first announced total, if two answers in a row confirm it.
	AcceptShortEnd bool
}

// Walk reads a stream from its head to a confirmed end, and stores nothing. It yields the same pages in the same order,
// with the same waits and attempts, as a [Runner.Run] that begins at the head. As in a run, a page with the records of an
// earlier page of its pass is a bad page.
//
// If the API no longer accepts the cursor, another pass begins at the head. So a consumer that compares or counts must
// start again when From.Pass changes; the first pass is 1. Walk ends after the first error it yields. Each use of the
// returned iterator is a new walk.
func Walk(
	ctx context.Context, source domain.EventSource, decoder domain.Decoder, observer WalkObserver, opts WalkOptions,
) iter.Seq2[domain.DecodedPage, error] {
	return func(yield func(domain.DecodedPage, error) bool) {
		f := &fetcher{source: source, policy: opts.Retry, observer: observer, limit: opts.PageSize}
		seen := seenPages{}
		for fetched, err := range f.pages(ctx, domain.Position{Pass: 1}, time.Time{}) {
			var page domain.DecodedPage
			if err == nil {
				page, err = fetched.Decode(ctx, decoder)
			}
			if err == nil {
				page.End = f.compareEnds(page)
				page.End.AcceptShort = opts.AcceptShortEnd
				err = seen.check(page)
				if f.refetch(err) {
					continue
				}
			}
			if !yield(page, err) || err != nil {
				return
			}
			seen.add(page)
		}
	}
}

// seenPages are the pages of one pass that the walk has yielded.
type seenPages struct {
	pass   int64
	hashes map[string]bool // of their records, see domain.DecodedPage.IDsHash
}

// check returns BadPage if a page has the records of an earlier page of its pass. If the page ends the pass, check returns
// the error of End.Check.
func (s *seenPages) check(page domain.DecodedPage) error {
	if page.From.Pass == s.pass && s.hashes[string(page.IDsHash())] {
		return badPageError("after %d records the API answered with those of an earlier page of this pass", page.From.Offset)
	}
	if page.To.Done {
		return page.End.Check(page.To, page.To.Offset) // a walk uses no database: received counts as stored
	}
	return nil
}

func (s *seenPages) add(page domain.DecodedPage) {
	if page.From.Pass != s.pass {
		*s = seenPages{page.From.Pass, map[string]bool{}}
	}
	if hash := page.IDsHash(); hash != nil {
		s.hashes[string(hash)] = true
	}
}

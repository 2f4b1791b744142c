package ingest

import (
	"context"
	"iter"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// storedUnknown is what a walk, which asks no database, knows of what is stored.
const storedUnknown = -1

// WalkOptions are what a walk is asked for.
type WalkOptions struct {
	PageSize int          // records to ask for in one page
	Retry    retry.Policy // for each page

	// AcceptShortEnd accepts an end that two answers in a row say, although the first announced total was not reached.
	AcceptShortEnd bool
}

// Walk reads a stream from its head to an end it believes, and stores nothing: the same pages in the same order, with the
// same waits and tries, as a Run that begins at the head. A page with the records of an earlier page of its pass is a bad
// page, as it is in a Run.
//
// A cursor the upstream no longer takes begins another pass from the head, so whoever compares or counts begins anew when
// From.Pass changes; the first is 1. It ends after the first error it yields. Each use is a walk of its own.
func Walk(
	ctx context.Context, source domain.EventSource, decoder domain.Decoder, observer WalkObserver, opts WalkOptions,
) iter.Seq2[domain.DecodedPage, error] {
	return func(yield func(domain.DecodedPage, error) bool) {
		p := &pages{source: source, policy: opts.Retry, observer: observer, limit: opts.PageSize}
		seen := seenPages{}
		for step, err := range p.from(ctx, domain.Position{Pass: 1}, time.Time{}) {
			var page domain.DecodedPage
			if err == nil {
				page, err = step.Decode(ctx, decoder)
			}
			if err == nil {
				page.End.AcceptShort = opts.AcceptShortEnd
				err = seen.check(page)
				if p.refuse(err) {
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

// seenPages are the pages of one pass that were yielded.
type seenPages struct {
	pass   int64
	hashes map[string]bool // of their records, see domain.DecodedPage.IDsHash
}

// check returns BadPage if a page has the records of an earlier page of its pass. If the page ends the pass, check returns
// why the end is not to be believed.
func (s *seenPages) check(page domain.DecodedPage) error {
	if page.From.Pass == s.pass && s.hashes[string(page.IDsHash())] {
		return badPage("after %d records the API answered with those of an earlier page of this pass", page.From.Offset)
	}
	if page.To.Done {
		return page.End.Check(page.To, storedUnknown)
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

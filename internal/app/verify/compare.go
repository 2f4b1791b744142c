package verify

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// An API is what the database is compared with.
type API struct {
	SourceURL string // as the stream's checkpoint names it
	Rows      Comparison
	// Pages is one walk from the head, as ingest.Walk. A page is tried again as the policy says. With acceptShortEnd the walk
	// may end below the announced total.
	Pages func(ctx context.Context, policy retry.Policy, acceptShortEnd bool) iter.Seq2[domain.DecodedPage, error]
}

// A Comparison compares what the API returns with the rows of one stream. It is used by one goroutine at a time.
type Comparison interface {
	// Begin forgets what was returned.
	Begin()
	// Compare finds what of a page is neither stored with its values nor parked, and notes the ids of its events and
	// rejects as returned. After an error nothing is noted, and it may be called again with the same page.
	Compare(ctx context.Context, stream domain.StreamID, page domain.DecodedPage) (domain.PageComparison, error)
	// Unreturned finds the stream's events that were not returned since Begin. It may be called again.
	Unreturned(ctx context.Context, stream domain.StreamID) (domain.Finding, error)
}

// minTries is how often a page of a walk, or the comparison of it, is tried at least while the network or the database
// fails. With the waits between them that is about ten minutes. A walk cannot be continued by the next command as a run
// can: what ends it costs all of it.
const minTries = 25

// patient returns the verifier's policy with at least minTries for transient failures.
func (v *Verifier) patient() retry.Policy {
	policy := v.opts.Retry
	policy.TransientTries = max(policy.TransientTries, minTries)
	return policy
}

// compare walks the API and adds to the report what that came to. A difference found is told even if the walk does not
// come to its end.
func (v *Verifier) compare(ctx context.Context, report *Report) error {
	if err := v.comparable(report.Stream.Checkpoint); err != nil {
		return err
	}
	v.observer.Checking(domain.CheckReturned)
	w := walk{}
	err := v.walk(ctx, &w, report.EndAccepted)
	returned := w.finding(report.Inspection)
	report.Walk = w.Walk
	if err == nil || returned.Differences > 0 {
		report.Findings = append(report.Findings, returned)
	}
	if err != nil {
		return err
	}
	w.settleAnnounced(&report.Inspection)
	v.observer.Checking(domain.CheckUnreturned)
	var unreturned domain.Finding
	err = v.patient().Do(ctx, v.observer.Waiting, func(ctx context.Context) (err error) {
		unreturned, err = v.opts.API.Rows.Unreturned(ctx, v.opts.Stream)
		return err
	})
	if err != nil {
		return err
	}
	report.Findings = append(report.Findings, unreturned)
	return nil
}

// comparable refuses what would only tell differences that must be.
func (v *Verifier) comparable(at domain.Checkpoint) error {
	refused := &domain.Error{Kind: domain.Invalid, Op: "compare stream " + at.Stream.String() + " with the API"}
	switch {
	case at.SourceURL != v.opts.API.SourceURL:
		refused.Err = fmt.Errorf("it was read from %s, not from %s", at.SourceURL, v.opts.API.SourceURL)
		refused.Remedy = domain.CorrectAddress
	case !at.Done:
		refused.Err = errors.New("it is not complete")
		refused.Remedy = domain.FinishStream
	default:
		return nil
	}
	return refused
}

// A walk is what one walk of the API has come to so far.
type walk struct {
	Walk

	pass      int64
	announced domain.Total // by the last page
	missing   domain.Finding
	others    domain.Finding
}

// finding tells missing records from new ones. As many as the API announces beyond those that the last pass accounts for
// may be new. Which of the missing ones these are, nobody can tell.
func (w *walk) finding(at domain.Inspection) domain.Finding {
	growth := int64(0)
	if at.Stream.Checkpoint.AnnouncedLast.Known && w.announced.Known {
		growth = max(w.announced.N-at.Accounted(), 0)
	}
	found := domain.Finding{Check: domain.CheckReturned}
	found.Add(w.others.Shown...)
	found.Differences = w.others.Differences
	if w.missing.Differences <= growth {
		w.New = w.missing.Differences
		return found
	}
	w.New = growth
	more := w.missing.Differences - growth
	found.Add(w.missing.Shown...)
	found.Differences = w.others.Differences + more
	return found
}

// settleAnnounced removes the difference of a stream that holds fewer records than were announced, if this walk, which came
// to its end, found all that the API returns stored or parked: then some came twice. A pass that did not receive as many as
// were announced stays a difference.
func (w *walk) settleAnnounced(at *domain.Inspection) {
	if w.missing.Differences+w.others.Differences > 0 || at.Stream.Checkpoint.Offset < at.Stream.Checkpoint.AnnouncedFirst.N {
		return
	}
	for i, f := range at.Findings {
		if f.Check == domain.CheckAnnounced {
			at.Findings[i] = domain.Finding{Check: f.Check}
		}
	}
}

// walk compares page by page. When the API loses its cursor, all begins anew from the head.
func (v *Verifier) walk(ctx context.Context, w *walk, acceptShortEnd bool) error {
	for page, err := range v.opts.API.Pages(ctx, v.patient(), acceptShortEnd) {
		if err != nil {
			return err
		}
		if page.From.Pass != w.pass {
			*w = walk{pass: page.From.Pass}
			v.opts.API.Rows.Begin()
		}
		if err := v.comparePage(ctx, page, w); err != nil {
			return err
		}
		v.observer.Compared(page)
	}
	return nil
}

// comparePage tries again until the database answers.
func (v *Verifier) comparePage(ctx context.Context, page domain.DecodedPage, w *walk) error {
	var compared domain.PageComparison
	err := v.patient().Do(ctx, v.observer.Waiting, func(ctx context.Context) (err error) {
		compared, err = v.opts.API.Rows.Compare(ctx, v.opts.Stream, page)
		return err
	})
	if err != nil {
		return err
	}
	for _, differences := range [][]domain.Difference{compared.Missing, compared.Differences} {
		for i := range differences {
			differences[i].RequestID = page.Receipt.RequestID
		}
	}
	w.missing.Add(compared.Missing...)
	w.others.Add(compared.Differences...)
	w.announced = page.To.AnnouncedLast
	w.add(page, compared)
	return nil
}

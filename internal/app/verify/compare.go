package verify

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// An API is what the stream's rows are compared with.
type API struct {
	SourceURL string // the stream's checkpoint must name the same
	Rows      Comparison
	// Pages reads the API from the head, as ingest.Walk. Each page is retried by policy. With acceptShortEnd the pages may end
	// below the announced total.
	Pages func(ctx context.Context, policy retry.Policy, acceptShortEnd bool) iter.Seq2[domain.DecodedPage, error]
}

// A Comparison compares what the API returns with the rows of one stream. One goroutine uses it at a time.
type Comparison interface {
	// Begin forgets the ids that Compare has noted.
	Begin()
	// Compare finds the records of a page that are neither stored with their values nor parked, and notes the ids of its
	// events and rejects as returned. After an error nothing is noted, and Compare may be called again with the same page.
	Compare(ctx context.Context, stream domain.StreamID, page domain.DecodedPage) (domain.PageComparison, error)
	// PageCommittedAt returns when the page with a seq was committed, zero if the stream has no such page.
	PageCommittedAt(ctx context.Context, stream domain.StreamID, seq int64) (time.Time, error)
	// Unreturned finds the stream's events that were not returned since Begin. It may be called again.
	Unreturned(ctx context.Context, stream domain.StreamID) (domain.Finding, error)
}

// minTries is the number of attempts for a page of a walk, and for its comparison, while the network or the database
// fails. With the waits between them that is about ten minutes. Unlike a run, a walk cannot be continued by the next
// command: an error costs all of it.
const minTries = 25

// walkPolicy returns the verifier's policy with at least minTries for transient failures.
func (v *Verifier) walkPolicy() retry.Policy {
	policy := v.opts.Retry
	policy.TransientTries = max(policy.TransientTries, minTries)
	return policy
}

// compare reads the API and adds the findings to the report. It adds the differences of returned records also if the walk
// ends early.
func (v *Verifier) compare(ctx context.Context, report *Report) error {
	if err := v.checkComparable(report.Stream.Checkpoint); err != nil {
		return err
	}
	checkSetBack, err := v.watchLastPage(ctx, report.Stream.Checkpoint)
	if err != nil {
		return err
	}
	v.observer.Checking(domain.CheckReturned)
	w := walk{}
	err = v.comparePages(ctx, &w, report.EndAccepted)
	returned := w.finding(report.Inspection)
	report.Walk = w.Walk
	if err == nil || returned.Differences > 0 {
		report.Findings = append(report.Findings, returned)
	}
	if err != nil {
		return err
	}
	w.clearAnnounced(&report.Inspection)
	v.observer.Checking(domain.CheckUnreturned)
	var unreturned domain.Finding
	err = v.walkPolicy().Do(ctx, v.observer.Waiting, func(ctx context.Context) (err error) {
		unreturned, err = v.opts.API.Rows.Unreturned(ctx, v.opts.Stream)
		return err
	})
	if err != nil {
		return err
	}
	report.Findings = append(report.Findings, unreturned)
	return checkSetBack(ctx)
}

// watchLastPage returns a function that returns SetBack if the last page of the checkpoint is no longer the page that it was:
// then the database was set back while the API was read, and rows that were compared may be gone.
func (v *Verifier) watchLastPage(ctx context.Context, at domain.Checkpoint) (check func(context.Context) error, err error) {
	before, err := v.pageCommittedAt(ctx, at.Seq)
	return func(ctx context.Context) error {
		after, err := v.pageCommittedAt(ctx, at.Seq)
		if err != nil || after.Equal(before) {
			return err
		}
		return &domain.Error{
			Kind: domain.SetBack, Op: "compare stream " + at.Stream.String() + " with the API",
			Err:  errors.New("the database was set back to an earlier state while the API was read"),
			Hint: "run it again",
		}
	}, err
}

func (v *Verifier) pageCommittedAt(ctx context.Context, seq int64) (committed time.Time, err error) {
	err = v.walkPolicy().Do(ctx, v.observer.Waiting, func(ctx context.Context) (err error) {
		committed, err = v.opts.API.Rows.PageCommittedAt(ctx, v.opts.Stream, seq)
		return err
	})
	return committed, err
}

// checkComparable returns Invalid if the stream is incomplete or was read from another source URL: every comparison would
// differ.
func (v *Verifier) checkComparable(at domain.Checkpoint) error {
	err := &domain.Error{Kind: domain.Invalid, Op: "compare stream " + at.Stream.String() + " with the API"}
	switch {
	case at.SourceURL != v.opts.API.SourceURL:
		err.Err = fmt.Errorf("it was read from %s, not from %s", at.SourceURL, v.opts.API.SourceURL)
		err.Remedy = domain.CorrectAddress
	case !at.Done:
		err.Err = errors.New("it is not complete")
		err.Remedy = domain.FinishStream
	default:
		return nil
	}
	return err
}

// A walk collects the results of reading the API once.
type walk struct {
	Walk

	pass      int64
	announced domain.Total // by the last page
	missing   domain.Finding
	others    domain.Finding // differences that are not missing records
}

// finding returns the finding of CheckReturned. Some missing records may be new: as many as the API announces beyond those
// that the last pass accounts for. It is unknown which of the missing records these are. So finding counts only the others
// as differences, but shows all.
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

// clearAnnounced removes the difference of CheckAnnounced if this complete walk found every record of the API stored or
// parked. The stream then holds fewer records than were announced because the API returned some twice. If the pass did not
// receive as many as were announced, the difference stays.
func (w *walk) clearAnnounced(at *domain.Inspection) {
	if w.missing.Differences+w.others.Differences > 0 || at.Stream.Checkpoint.Offset < at.Stream.Checkpoint.AnnouncedFirst.N {
		return
	}
	for i, f := range at.Findings {
		if f.Check == domain.CheckAnnounced {
			at.Findings[i] = domain.Finding{Check: f.Check}
		}
	}
}

// comparePages compares page by page. When the API loses its cursor, it starts again from the head.
func (v *Verifier) comparePages(ctx context.Context, w *walk, acceptShortEnd bool) error {
	for page, err := range v.opts.API.Pages(ctx, v.walkPolicy(), acceptShortEnd) {
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

// comparePage compares a page and adds the result to w. It retries while the database fails.
func (v *Verifier) comparePage(ctx context.Context, page domain.DecodedPage, w *walk) error {
	var compared domain.PageComparison
	err := v.walkPolicy().Do(ctx, v.observer.Waiting, func(ctx context.Context) (err error) {
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

func (w *Walk) add(page domain.DecodedPage, compared domain.PageComparison) {
	w.Pages++
	w.Received += int64(page.Received)
	w.Parked += compared.Parked
	w.NotKept += compared.NotKept
}

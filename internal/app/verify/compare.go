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

// An API has all that is needed to compare a stream's rows with the API that the stream is read from.
type API struct {
	SourceURL string // must be the source URL in the stream's checkpoint
	Rows      Comparison
	// Pages reads the API from the head of the stream, as ingest.Walk does. policy limits the attempts and waits for each
	// page. If acceptShortEnd is true, the pages may end below the announced total.
	Pages func(ctx context.Context, policy retry.Policy, acceptShortEnd bool) iter.Seq2[domain.DecodedPage, error]
}

// A Comparison compares the records that the API returns with the rows of one stream. Only one goroutine at a time may use
// it.
type Comparison interface {
	// Begin starts a new comparison. It forgets the ids that earlier calls of Compare have noted.
	Begin()
	// Compare finds the records of a page that are neither stored with the same values nor parked. It also notes the ids
	// of the page's events and rejects for Unreturned. If Compare returns an error, it notes nothing, and may be called
	// again with the same page.
	Compare(ctx context.Context, stream domain.StreamID, page domain.DecodedPage) (domain.PageComparison, error)
	// PageCommittedAt returns the time at which the page with a seq was committed. If the stream has no such page, it
	// returns the zero time.
	PageCommittedAt(ctx context.Context, stream domain.StreamID, seq int64) (time.Time, error)
	// Unreturned finds the stored events of the stream whose ids Compare has not noted since Begin. It may be called again.
	Unreturned(ctx context.Context, stream domain.StreamID) (domain.Finding, error)
}

// minTransientTries is the least number of attempts for each page of the API, if the attempts fail with Transient. With the waits, these
// attempts take about ten minutes. The time is that long because a comparison that fails must start again at the head, whereas a run
// continues from its checkpoint.
const minTransientTries = 25

// walkPolicy returns the verifier's policy with at least minTransientTries.
func (v *Verifier) walkPolicy() retry.Policy {
	policy := v.opts.Retry
	policy.TransientTries = max(policy.TransientTries, minTransientTries)
	return policy
}

// compare reads the API and adds the findings of CheckReturned and CheckUnreturned to the report. If the API cannot be read to
// its end, compare returns an error. In this case it adds at most the finding of CheckReturned, and only if the finding has
// differences.
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
	w.New = w.countNew(report.Inspection)
	returned := w.finding()
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
	err = v.opts.Outage.Do(ctx, v.observer.Waiting, func(ctx context.Context) (err error) {
		unreturned, err = v.opts.API.Rows.Unreturned(ctx, v.opts.Stream)
		return err
	})
	if err != nil {
		return err
	}
	report.Findings = append(report.Findings, unreturned)
	return checkSetBack(ctx)
}

// watchLastPage reads the time at which the last page of the checkpoint was committed. It returns a function that reads this
// time again, and returns SetBack if the time has changed. In this case the database was set back while the API was read, and
// rows that were compared may be gone.
func (v *Verifier) watchLastPage(
	ctx context.Context, checkpoint domain.Checkpoint,
) (checkSetBack func(context.Context) error, err error) {
	before, err := v.pageCommittedAt(ctx, checkpoint.Seq)
	return func(ctx context.Context) error {
		after, err := v.pageCommittedAt(ctx, checkpoint.Seq)
		if err != nil || after.Equal(before) {
			return err
		}
		return &domain.Error{
			Kind: domain.SetBack, Code: domain.CodeDatabaseSetBack,
			Op:   "compare stream " + checkpoint.Stream.String() + " with the API",
			Err:  errors.New("the database was set back to an earlier state while the API was read"),
			Hint: "run it again",
		}
	}, err
}

func (v *Verifier) pageCommittedAt(ctx context.Context, seq int64) (committed time.Time, err error) {
	err = v.opts.Outage.Do(ctx, v.observer.Waiting, func(ctx context.Context) (err error) {
		committed, err = v.opts.API.Rows.PageCommittedAt(ctx, v.opts.Stream, seq)
		return err
	})
	return committed, err
}

// checkComparable returns Invalid if the stream is incomplete or was read from another source URL. A comparison of such a
// stream would always find differences.
func (v *Verifier) checkComparable(checkpoint domain.Checkpoint) error {
	newError := func(code domain.Code, cause error, remedy domain.Remedy) error {
		op := "compare stream " + checkpoint.Stream.String() + " with the API"
		return &domain.Error{Kind: domain.Invalid, Code: code, Op: op, Err: cause, Remedy: remedy}
	}
	switch {
	case checkpoint.SourceURL != v.opts.API.SourceURL:
		cause := fmt.Errorf("it was read from %s, not from %s", checkpoint.SourceURL, v.opts.API.SourceURL)
		return newError(domain.CodeStreamOtherAddress, cause, domain.CorrectAddress)
	case !checkpoint.Done:
		return newError(domain.CodeStreamIncomplete, errors.New("it is not complete"), domain.FinishStream)
	}
	return nil
}

// A walk collects the results of reading the API once, from the head to the end.
type walk struct {
	Walk

	pass      int64          // the current pass; pages of another pass start a new comparison
	announced domain.Total   // the total that the last page announced
	missing   domain.Finding // records that are neither stored nor parked
	others    domain.Finding // all other differences
}

// countNew returns how many of the missing records can be newer than the last pass. The API can have grown by the total that
// it announces now, minus the number of records that are stored or parked.
func (w *walk) countNew(inspection domain.Inspection) int64 {
	if !inspection.Stream.Checkpoint.AnnouncedLast.Known || !w.announced.Known {
		return 0
	}
	growth := max(w.announced.N-inspection.Accounted(), 0)
	return min(growth, w.missing.Differences)
}

// finding returns the finding of CheckReturned. Missing records are differences, except for w.New of them. It is unknown which
// of the missing records are new. So if not all of them are new, the finding shows all of them.
func (w *walk) finding() domain.Finding {
	lost := w.missing.Differences - w.New
	found := domain.Finding{Check: domain.CheckReturned}
	found.Add(w.others.Shown...)
	if lost > 0 {
		found.Add(w.missing.Shown...)
	}
	found.Differences = w.others.Differences + lost
	return found
}

// clearAnnounced removes the differences of CheckAnnounced if two conditions are met:
//   - The walk, which must be complete, found every record of the API stored or parked.
//   - The last pass received at least as many records as the API announced first.
//
// Then the stream has fewer records than the API announced only because the API returned some records twice.
func (w *walk) clearAnnounced(inspection *domain.Inspection) {
	checkpoint := inspection.Stream.Checkpoint
	hasDifferences := w.missing.Differences > 0 || w.others.Differences > 0
	if hasDifferences || checkpoint.Offset < checkpoint.AnnouncedFirst.N {
		return
	}
	for i, f := range inspection.Findings {
		if f.Check == domain.CheckAnnounced {
			inspection.Findings[i] = domain.Finding{Check: f.Check}
		}
	}
}

// comparePages compares the pages of the API, one after the other. If the API no longer accepts the cursor, the pages begin
// again at the head of the stream, and comparePages starts a new comparison.
func (v *Verifier) comparePages(ctx context.Context, w *walk, acceptShortEnd bool) error {
	for page, err := range v.opts.API.Pages(ctx, v.walkPolicy(), acceptShortEnd) {
		if err != nil {
			return err
		}
		if page.From.Pass != w.pass { // the first page, or the first one after a lost cursor
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

// comparePage compares a page and adds the result to w. If the database fails, comparePage tries again.
func (v *Verifier) comparePage(ctx context.Context, page domain.DecodedPage, w *walk) error {
	var compared domain.PageComparison
	err := v.opts.Outage.Do(ctx, v.observer.Waiting, func(ctx context.Context) (err error) {
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

// add counts the records of a page that was compared.
func (w *Walk) add(page domain.DecodedPage, compared domain.PageComparison) {
	w.Pages++
	w.Received += int64(page.Received)
	w.Parked += compared.Parked
	w.NotKept += compared.NotKept
}

package verify

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/pawldata/pawl/internal/domain"
)

// An API is what the database is compared with.
type API struct {
	Origin  string                                              // as the stream's checkpoint names it
	Pages   func(context.Context) iter.Seq2[domain.Step, error] // one walk from the head, as ingest.Walk
	Decoder domain.Decoder
	Rows    Comparison
}

// A Comparison holds what the API returns against the rows of one stream. It is used by one goroutine at a time.
type Comparison interface {
	// Begin makes ready, with nothing returned yet; a second call forgets what was returned. It makes one attempt.
	Begin(ctx context.Context) error
	// Compare finds what of a page is neither stored with its values nor parked, and notes the ids of its events and
	// rejects as returned. After an error only Begin may follow.
	Compare(ctx context.Context, stream domain.StreamID, page domain.ReadPage) (domain.PageComparison, error)
	// Unreturned finds the stream's events that were not returned since Begin.
	Unreturned(ctx context.Context, stream domain.StreamID) (domain.Finding, error)
}

// compare walks the API and adds to the report what that came to. A difference found is told even if the walk does not
// come to its end.
func (v *Verifier) compare(ctx context.Context, report *Report) error {
	if err := v.comparable(report.Stream.Checkpoint); err != nil {
		return err
	}
	returned, err := v.walk(ctx, &report.Walk)
	if err == nil || returned.Differences > 0 {
		report.Findings = append(report.Findings, returned)
	}
	if err != nil {
		return err
	}
	v.observer.Checking(domain.Unreturned)
	unreturned, err := v.opts.API.Rows.Unreturned(ctx, v.opts.Stream)
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
	case at.Origin != v.opts.API.Origin:
		refused.Err = fmt.Errorf("it was read from %s, not from %s", at.Origin, v.opts.API.Origin)
		refused.Hint = "correct API_BASE_URL, or name another stream with --stream"
	case !at.Done:
		refused.Err = errors.New("it is not complete")
		refused.Hint = "finish it with `pawl run` first"
	default:
		return nil
	}
	return refused
}

// walk compares page by page. When the API loses its cursor, all begins anew from the head.
func (v *Verifier) walk(ctx context.Context, walk *Walk) (domain.Finding, error) {
	v.observer.Checking(domain.Returned)
	returned := domain.Finding{Check: domain.Returned}
	pass := int64(0)
	for step, err := range v.opts.API.Pages(ctx) {
		if err != nil {
			return returned, err
		}
		if step.From.Pass != pass {
			pass, *walk, returned = step.From.Pass, Walk{}, domain.Finding{Check: domain.Returned}
			if err := v.opts.Retry.Do(ctx, v.observer.Waiting, v.opts.API.Rows.Begin); err != nil {
				return returned, err
			}
		}
		differences, err := v.comparePage(ctx, step, walk)
		if err != nil {
			return returned, err
		}
		returned.Add(differences...)
		v.observer.Compared(step)
	}
	return returned, nil
}

func (v *Verifier) comparePage(ctx context.Context, step domain.Step, walk *Walk) ([]domain.Difference, error) {
	page, err := step.Read(ctx, v.opts.API.Decoder)
	if err != nil {
		return nil, err
	}
	compared, err := v.opts.API.Rows.Compare(ctx, v.opts.Stream, page)
	walk.add(page, compared)
	for i := range compared.Differences {
		compared.Differences[i].RequestID = page.Receipt.RequestID
	}
	return compared.Differences, err
}

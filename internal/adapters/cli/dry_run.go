package cli

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/adapters/cli/progress"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/domain"
)

// A PageReader returns an iterator over the decoded pages of the API, from the head, see [ingest.Walk].
type PageReader func(context.Context, Settings, ingest.WalkOptions, ingest.FetchObserver) (iter.Seq2[domain.DecodedPage, error], error)

// dryRunJSON is what `pawl run --dry-run --json` prints.
type dryRunJSON struct {
	Pages    int64           `json:"pages"`                // pages that were read
	Received int64           `json:"received"`             // records in these pages
	Events   int64           `json:"events"`               // records that would be stored, or count as duplicate
	Parked   int64           `json:"parked"`               // records that would become dead letters
	Done     bool            `json:"done"`                 // the last page was the end of the list
	Stopped  string          `json:"stopped_by,omitempty"` // what asked the dry run to stop: max-pages or signal
	Reasons  []dryReasonJSON `json:"reasons"`              // why records would become dead letters
	Drift    []dryDriftJSON  `json:"drift"`                // what the records have that nobody expected
}

// dryReasonJSON counts the records that would become dead letters for one reason.
type dryReasonJSON struct {
	Reason  string `json:"reason"`  // the reason
	Records int64  `json:"records"` // the number of records
}

// dryDriftJSON counts one kind of drift.
type dryDriftJSON struct {
	Path    string `json:"path"`    // the field
	Kind    string `json:"kind"`    // what is unexpected about it
	Records int64  `json:"records"` // the number of records
}

// dryRun executes `pawl run --dry-run`: it reads pages from the head of the API and decodes them. It uses no database.
func (c *runCommand) dryRun(s *session) error {
	tracker := progress.NewTracker(false)
	tracker.Claimed(domain.Checkpoint{Position: domain.Position{Pass: 1}}) // the walk begins at the head
	observer := observers{&logObserver{log: s.log, live: s.showsLiveLine()}, tracker}
	opts := ingest.WalkOptions{PageSize: s.settings.PageSize, Retry: s.policy(), AcceptShortEnd: c.AcceptShortEnd}
	pages, err := s.wiring.Pages(s.ctx, s.settings, opts, observer)
	if err != nil {
		return err
	}
	stopProgress := s.showProgress(tracker)
	began, count, readPages := time.Now(), newDryCount(), 0
	for page, pageErr := range pages {
		if err = pageErr; err != nil {
			break
		}
		if isNewPass := page.From.Pass > count.read.Pass; isNewPass { // the cursor was lost, and all records come again
			count = newDryCount()
		}
		count.add(page)
		readPages++
		tracker.Committed(domain.Batch{Pages: []domain.DecodedPage{page}}, domain.CommitResult{Checkpoint: domain.Checkpoint{Position: page.To}})
		page.MaxParked = ingest.MaxParked(page.Received, s.settings.RejectRatio)
		if err = page.CheckRejectRatio(page.Rejects); err != nil { // a run would end here, too
			break
		}
		if readPages == c.MaxPages {
			break
		}
	}
	stopProgress()
	if count.result.Pages == 0 { // there is nothing to print
		return err
	}
	if err == nil && !count.result.Done {
		s.stopHint = "a dry run begins at the head again: to read more, raise --max-pages"
		err = limitError(ingest.ErrMaxPages, count.result.Pages, count.read)
	}
	if c.JSON {
		result := count.sorted()
		result.Stopped = stoppedBy(err)
		return cmp.Or(err, outputError(writeASCIIJSON(s.Stdout, result)))
	}
	r := count.summarize(err, time.Since(began))
	return cmp.Or(err, outputError(r.write(s.Stdout, s.stdoutScreen())))
}

// A dryCount counts what a run would do with pages.
type dryCount struct {
	result  dryRunJSON
	read    domain.Position // after the last page
	reasons map[string]int64
	drift   map[driftKey]int64
}

// A driftKey names one kind of drift.
type driftKey struct{ path, kind string }

func newDryCount() *dryCount {
	return &dryCount{reasons: map[string]int64{}, drift: map[driftKey]int64{}}
}

// add counts a page.
func (c *dryCount) add(page domain.DecodedPage) {
	c.result.Pages++
	c.result.Received += int64(page.Received)
	c.result.Events += int64(len(page.Events))
	c.result.Parked += int64(len(page.Rejects))
	c.result.Done = page.To.Done
	c.read = page.To
	for _, reject := range page.Rejects {
		c.reasons[reject.Why.Reason]++
	}
	for _, d := range page.Drift {
		key := driftKey{d.Path, d.Kind}
		if _, isKnown := c.drift[key]; !isKnown && len(c.drift) >= maxDryDrift {
			key = driftKey{domain.FurtherDriftPath, domain.FurtherDriftKind}
		}
		c.drift[key] += d.Count
	}
}

const (
	maxDryDrift   = 10 * domain.MaxDriftEntries // kinds of drift that a dry run counts, as a run does; one more has all further drift
	maxDriftLines = 20                          // kinds of drift that a dry run prints for a person
)

// sorted returns the counts with the most frequent reasons and drift first.
func (c *dryCount) sorted() dryRunJSON {
	res := c.result
	res.Reasons, res.Drift = []dryReasonJSON{}, []dryDriftJSON{}
	for reason, n := range c.reasons {
		res.Reasons = append(res.Reasons, dryReasonJSON{reason, n})
	}
	for key, n := range c.drift {
		res.Drift = append(res.Drift, dryDriftJSON{key.path, key.kind, n})
	}
	slices.SortFunc(res.Reasons, func(a, b dryReasonJSON) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.Reason, b.Reason))
	})
	slices.SortFunc(res.Drift, func(a, b dryDriftJSON) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind))
	})
	return res
}

// summarize returns the counts for a person. end is the error that ended the run, or nil at the end of the list.
func (c *dryCount) summarize(end error, elapsed time.Duration) *result {
	counts := c.sorted()
	state := "complete"
	if !counts.Done {
		state = notComplete(counts.Pages, readText(c.read), end)
	}
	r := &result{
		isComplete: counts.Done,
		title:      fmt.Sprintf("dry run: %s read, nothing stored, %s", quantity(counts.Received, "record", "records"), state),
	}
	r.add("counts", "%s records: %s could be stored, %s would become dead letters",
		humanize.Comma(counts.Received), humanize.Comma(counts.Events), humanize.Comma(counts.Parked))
	for _, reason := range counts.Reasons {
		r.add("letters", "%s %s", humanize.Comma(reason.Records), escapeExceptEllipsis(reason.Reason))
	}
	for i, d := range counts.Drift {
		if i == maxDriftLines {
			r.add("drift", "and %s more; --json lists them", humanize.Comma(int64(len(counts.Drift)-i)))
			break
		}
		r.add("drift", "%s %s: %s", humanize.Comma(d.Records), escapeExceptEllipsis(d.Kind), escapeExceptEllipsis(d.Path))
	}
	r.addSpeed(counts.Received, counts.Pages, elapsed)
	return r
}

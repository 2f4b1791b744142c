package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/adapters/cli/progress"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// A PageReader returns an iterator over the decoded pages of the API, from the head, see [ingest.Walk].
type PageReader func(context.Context, Settings, retry.Policy, ingest.FetchObserver) (iter.Seq2[domain.DecodedPage, error], error)

// dryRunJSON is what `pawl run --dry-run --json` prints.
type dryRunJSON struct {
	Pages    int64           `json:"pages"`    // pages that were read
	Received int64           `json:"received"` // records in these pages
	Events   int64           `json:"events"`   // records that would be stored, or count as duplicate
	Parked   int64           `json:"parked"`   // records that would become dead letters
	Done     bool            `json:"done"`     // the last page was the end of the list
	Reasons  []dryReasonJSON `json:"reasons"`  // why records would become dead letters
	Drift    []dryDriftJSON  `json:"drift"`    // what the records have that nobody expected
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
	tracker := progress.NewTracker(c.NewPass)
	tracker.Claimed(domain.Checkpoint{Position: domain.Position{Pass: 1}}) // the walk begins at the head
	observer := observers{&logObserver{log: s.log, live: s.showsLiveLine()}, tracker}
	pages, err := s.wiring.Pages(s.ctx, s.settings, s.policy(), observer)
	if err != nil {
		return err
	}
	stopProgress := s.showProgress(tracker)
	count := newDryCount()
	for page, pageErr := range pages {
		if err = pageErr; err != nil {
			break
		}
		count.add(page)
		tracker.Committed(domain.Batch{Pages: []domain.DecodedPage{page}}, domain.CommitResult{Checkpoint: domain.Checkpoint{Position: page.To}})
		if count.result.Pages == int64(c.MaxPages) {
			break
		}
	}
	stopProgress()
	if count.result.Pages == 0 { // there is nothing to print
		return err
	}
	write := writeDryRun
	if c.JSON {
		write = func(w io.Writer, r dryRunJSON) error { return writeASCIIJSON(w, r) }
	}
	printErr := outputError(write(s.Stdout, count.sorted()))
	return cmp.Or(err, printErr)
}

// A dryCount counts what a run would do with pages.
type dryCount struct {
	result  dryRunJSON
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
	for _, reject := range page.Rejects {
		c.reasons[reject.Why.Reason]++
	}
	for _, d := range page.Drift {
		c.drift[driftKey{d.Path, d.Kind}] += d.Count
	}
}

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

// writeDryRun writes the counts for a person.
func writeDryRun(w io.Writer, r dryRunJSON) error {
	end := "there are more"
	if r.Done {
		end = "these are all"
	}
	_, err := fmt.Fprintf(w, "dry run: %s read from the head, %s; nothing is stored\n%s: %s could be stored, %s would become dead letters\n",
		quantity(r.Pages, "page", "pages"), end, quantity(r.Received, "record", "records"),
		humanize.Comma(r.Events), humanize.Comma(r.Parked))
	var rows table
	for _, reason := range r.Reasons {
		rows = append(rows, []string{"dead letter", reason.Reason, "", humanize.Comma(reason.Records)})
	}
	for _, d := range r.Drift {
		rows = append(rows, []string{"drift", escapeExceptEllipsis(d.Path), escapeExceptEllipsis(d.Kind), humanize.Comma(d.Records)})
	}
	if err != nil {
		return err
	}
	return rows.write(w)
}

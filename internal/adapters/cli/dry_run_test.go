package cli_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/domain"
)

// TestDryRun checks what a dry run prints about pages with rejects and drift, that it stops after --max-pages pages, and that after an error
// it still prints what it has read. The wiring has no database.
func TestDryRun(t *testing.T) {
	t.Parallel()
	page := domain.DecodedPage{
		Received: 4, Events: make([]domain.DecodedEvent, 2),
		Rejects: []domain.Reject{{Why: domain.Rejection{Reason: "missing field"}}, {Why: domain.Rejection{Reason: "bad UUID"}}},
		Drift:   []domain.DriftCount{{Path: "os\x1b", Kind: "new field", Count: 3}},
	}
	page.To.Offset, page.To.AnnouncedLast = 4, domain.Total{N: 10, Known: true}
	second := page
	second.To.Done = true
	second.Rejects = []domain.Reject{{Why: domain.Rejection{Reason: "missing field"}}}
	second.Received = 3
	failure := &domain.Error{Kind: domain.Transient, Op: "fetch page", Err: errors.New("gone")}
	tests := []struct {
		name     string
		args     []string
		err      error                                // the error after the second page
		pages    iter.Seq2[domain.DecodedPage, error] // read in place of the two pages; may be nil
		wantCode int
		want     []string // parts of the output
	}{
		{
			name: "to the end", want: []string{
				"dry run: 7 records read, nothing stored, complete\n" +
					"  counts   7 records: 4 could be stored, 3 would become dead letters\n" +
					"  letters  2 missing field\n" + "  letters  1 bad UUID\n" + `  drift    6 new field: os\x1b` + "\n",
				" events/s, 2 pages in 0.0 s\n",
			},
		},
		{name: "one page", args: []string{"--max-pages=1"}, err: failure, wantCode: cli.ExitAgain, want: []string{
			"dry run: 4 records read, nothing stored, not complete: stopped after 1 page, as --max-pages says, 40 % read\n", "4 records: 2 could",
			"pawl: stopped after 1 page: as --max-pages says, 40 % read; a dry run begins at the head again: to read more, raise --max-pages " +
				"[page-limit-reached]\n",
		}},
		{name: "one page as JSON", args: []string{"--max-pages=1", "--json"}, wantCode: cli.ExitAgain, want: []string{
			`"done":false,"stopped_by":"max-pages"`,
		}},
		{name: "all pages", args: []string{"--max-pages=2", "--json"}, want: []string{`"done":true,"reasons"`}},
		{name: "a new pass", args: []string{"--new-pass"}, wantCode: cli.ExitSettings, want: []string{"--new-pass: it has no effect with --dry-run"}},
		{
			name: "much drift", pages: readMuchDrift, want: []string{
				"  drift    2 new field: f0000\n", "  drift    1 new field: f0018\n  drift    and 981 more; --json lists them\n",
			},
		},
		{
			name: "much drift as JSON", args: []string{"--json"}, pages: readMuchDrift,
			want: []string{`"drift":[{"path":"\u2026","kind":"further drift","records":500},{"path":"f0000","kind":"new field","records":2},`},
		},
		{name: "a short end", args: []string{"--accept-short-end"}, want: []string{"complete"}},
		{
			name: "a lost cursor", pages: func(yield func(domain.DecodedPage, error) bool) {
				again := second
				again.From.Pass, again.To.Pass = 2, 2
				_ = yield(page, nil) && yield(again, nil)
			},
			want: []string{"3 records: 2 could be stored, 1 would become dead letters"},
		},
		{
			name: "too many rejects", wantCode: cli.ExitData, pages: func(yield func(domain.DecodedPage, error) bool) {
				bad := page
				bad.Rejects = make([]domain.Reject, 20)
				bad.Received = 22
				if yield(bad, nil) {
					t.Error("got a request after a page with too many rejects")
				}
			},
			want: []string{"22 records: 2 could be stored, 20 would become dead letters"},
		},
		{
			name: "an error", args: []string{"--json"}, err: failure, wantCode: cli.ExitAgain,
			want: []string{`{"pages":2,"received":7,"events":4,"parked":3,"done":true,"reasons":[{"reason":"missing field","records":2}`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pages := func(
				_ context.Context, _ cli.Settings, opts ingest.WalkOptions, _ ingest.FetchObserver,
			) (iter.Seq2[domain.DecodedPage, error], error) {
				if opts.AcceptShortEnd != slices.Contains(tt.args, "--accept-short-end") {
					t.Errorf("got accept short end %t for %q", opts.AcceptShortEnd, tt.args)
				}
				if tt.pages != nil {
					return tt.pages, nil
				}
				return func(yield func(domain.DecodedPage, error) bool) {
					if yield(page, nil) && yield(second, nil) && tt.err != nil {
						yield(domain.DecodedPage{}, tt.err)
					}
				}, nil
			}
			args := append([]string{"run", "--dry-run"}, tt.args...)
			code, stdout, stderr := pawl(t, validEnv("DATABASE_URL="), cli.Wiring{Pages: pages, Jitter: func() float64 { return 0 }}, args...)
			if code != tt.wantCode {
				t.Errorf("got exit %d, want %d: %s", code, tt.wantCode, stderr)
			}
			for _, want := range tt.want {
				if !strings.Contains(stdout+stderr, want) {
					t.Errorf("got output\n%s%s\nwant %q in it", stdout, stderr, want)
				}
			}
			if strings.Contains(stdout, "\x1b") {
				t.Errorf("got a control character in the output %q, want none", stdout)
			}
		})
	}
}

// readMuchDrift yields 15 pages, each with 100 fields that no other page has, and at the end a page with the first of these fields.
func readMuchDrift(yield func(domain.DecodedPage, error) bool) {
	for n := range 15 {
		page := domain.DecodedPage{}
		for i := range domain.MaxDriftEntries {
			page.Drift = append(page.Drift, domain.DriftCount{Path: fmt.Sprintf("f%04d", n*domain.MaxDriftEntries+i), Kind: "new field", Count: 1})
		}
		if !yield(page, nil) {
			return
		}
	}
	last := domain.DecodedPage{Drift: []domain.DriftCount{{Path: "f0000", Kind: "new field", Count: 1}}}
	last.To.Done = true
	yield(last, nil)
}

package verify_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/app/verify"
	"github.com/pawldata/pawl/internal/domain"
)

const sourceURL = "https://api.example/v1"

// A fakeInventory returns prepared findings or errors.
type fakeInventory struct {
	at       domain.Checkpoint
	accepted bool // the user accepted a short end of the last pass
	shared   bool // another stream uses the table
	findings []domain.Finding
	failures []error // of the first attempts, before any check
	checkErr error   // after the first check
	attempts int
}

func (i *fakeInventory) Inspect(_ context.Context, stream domain.StreamID, began func(domain.Check)) (domain.Inspection, error) {
	i.attempts++
	if i.attempts <= len(i.failures) {
		return domain.Inspection{}, i.failures[i.attempts-1]
	}
	i.at.Stream = stream
	inspection := domain.Inspection{Stream: domain.StreamReport{Checkpoint: i.at}, EndAccepted: i.accepted, Shared: i.shared}
	for n, finding := range i.findings {
		began(finding.Check)
		if n > 0 && i.checkErr != nil {
			return inspection, i.checkErr
		}
		inspection.Findings = append(inspection.Findings, finding)
	}
	return inspection, nil
}

// A recorder records the calls of an observer.
type recorder struct {
	checks []domain.Check
	waits  int
	pages  []domain.DecodedPage
}

func (w *recorder) Checking(c domain.Check)       { w.checks = append(w.checks, c) }
func (w *recorder) Waiting(retry.Wait)            { w.waits++ }
func (w *recorder) Compared(p domain.DecodedPage) { w.pages = append(w.pages, p) }

func options(api *verify.API) verify.Options {
	return verify.Options{
		Stream: domain.StreamID{Source: "s"}, API: api,
		Retry: retry.Policy{Tries: 3, MaxWait: time.Hour, Jitter: func() float64 { return 1 }},
	}
}

func soundInventory() *fakeInventory {
	return &fakeInventory{
		at:       domain.Checkpoint{SourceURL: sourceURL, Position: domain.Position{Pass: 1, Done: true}},
		findings: []domain.Finding{{Check: domain.CheckBalance}, {Check: domain.CheckChain}},
	}
}

func failure(kind domain.Kind) error {
	return &domain.Error{Kind: kind, Op: "inspect", Err: errors.New("broken")}
}

func TestRun_Inconsistent(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		differences []int64
		want        string // empty: no error
	}{
		{"nothing was checked", nil, ""},
		{"sound", []int64{0, 0}, ""},
		{"one difference", []int64{0, 1}, "verify stream s: 1 difference in 1 check: chain"},
		{"more than are shown", []int64{3, 4000}, "verify stream s: 4003 differences in 2 checks: balance, chain"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			i, w := soundInventory(), &recorder{}
			i.findings = i.findings[:len(tt.differences)]
			for n, differences := range tt.differences {
				i.findings[n].Differences = differences
			}
			report, err := verify.New(i, w, options(nil)).Run(t.Context())
			if tt.want == "" && err != nil || tt.want != "" && (domain.KindOf(err) != domain.Inconsistent || err.Error() != tt.want) {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
			if len(report.Findings) != len(tt.differences) || len(w.checks) != len(tt.differences) {
				t.Errorf("got report %+v after checks %v", report, w.checks)
			}
		})
	}
}

func TestInspect_Retries(t *testing.T) {
	t.Parallel()
	transient := failure(domain.Transient)
	tests := []struct {
		name     string
		failures []error
		checkErr error
		attempts int
		kind     domain.Kind // of the error; 0 if there is none
	}{
		{"a database that comes back", []error{transient, transient}, nil, 3, 0},
		{"a database that stays away", []error{transient, transient, transient}, nil, 3, domain.Transient},
		{"no such stream", []error{failure(domain.Invalid)}, nil, 1, domain.Invalid},
		{"no retry after a check has begun", nil, transient, 1, domain.Transient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				i := soundInventory()
				i.failures, i.checkErr = tt.failures, tt.checkErr
				report, err := verify.New(i, &recorder{}, options(nil)).Run(t.Context())
				if (err != nil) != (tt.kind != 0) || err != nil && domain.KindOf(err) != tt.kind || i.attempts != tt.attempts {
					t.Errorf("got %d attempts, %v; want %d", i.attempts, err, tt.attempts)
				}
				if tt.checkErr != nil && len(report.Findings) != 1 {
					t.Errorf("got findings %+v, want one", report.Findings)
				}
			})
		})
	}
}

// TestRun_ComparesInconsistentDatabase: a failed check of the database does not prevent the comparison with the API.
func TestRun_ComparesInconsistentDatabase(t *testing.T) {
	t.Parallel()
	i := soundInventory()
	i.findings[0].Differences = 1
	w := &recorder{}
	report, err := verify.New(i, w, options(newCleanAPI(3, &fakeRows{}))).Run(t.Context())
	if domain.KindOf(err) != domain.Inconsistent || !strings.HasSuffix(err.Error(), ": balance") || len(report.Findings) != 4 {
		t.Errorf("%v: %+v", err, report.Findings)
	}
	want := []domain.Check{domain.CheckBalance, domain.CheckChain, domain.CheckReturned, domain.CheckUnreturned}
	if !slices.Equal(w.checks, want) || len(w.pages) != 2 {
		t.Errorf("got checks %v and %d pages", w.checks, len(w.pages))
	}
}

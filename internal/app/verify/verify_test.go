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

const origin = "https://api.example/v1"

// An inventory answers with findings, or with an error after so many of them.
type inventory struct {
	at       domain.Checkpoint
	accepted bool // the end of the last pass
	shared   bool // the table
	findings []domain.Finding
	failures []error // of the first attempts, before any check
	breaks   error   // after the first check
	attempts int
}

func (i *inventory) Inspect(_ context.Context, stream domain.StreamID, began func(domain.Check)) (domain.Inspection, error) {
	i.attempts++
	if i.attempts <= len(i.failures) {
		return domain.Inspection{}, i.failures[i.attempts-1]
	}
	i.at.Stream = stream
	inspection := domain.Inspection{Stream: domain.StreamReport{Checkpoint: i.at}, EndAccepted: i.accepted, Shared: i.shared}
	for n, finding := range i.findings {
		began(finding.Check)
		if n > 0 && i.breaks != nil {
			return inspection, i.breaks
		}
		inspection.Findings = append(inspection.Findings, finding)
	}
	return inspection, nil
}

// A witness notes what it is told.
type witness struct {
	checks []domain.Check
	waits  int
	steps  []domain.DecodedPage
}

func (w *witness) Checking(c domain.Check)       { w.checks = append(w.checks, c) }
func (w *witness) Waiting(retry.Wait)            { w.waits++ }
func (w *witness) Compared(p domain.DecodedPage) { w.steps = append(w.steps, p) }

func options(api *verify.API) verify.Options {
	return verify.Options{
		Stream: domain.StreamID{Source: "s"}, API: api,
		Retry: retry.Policy{Tries: 3, MaxWait: time.Hour, Jitter: func() float64 { return 1 }},
	}
}

func sound() *inventory {
	return &inventory{
		at:       domain.Checkpoint{SourceURL: origin, Position: domain.Position{Pass: 1, Done: true}},
		findings: []domain.Finding{{Check: domain.CheckBalance}, {Check: domain.CheckChain}},
	}
}

func failure(kind domain.Kind) error {
	return &domain.Error{Kind: kind, Op: "inspect", Err: errors.New("broken")}
}

func TestTheVerdict(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		differences []int64
		says        string // empty: sound
	}{
		{"nothing was checked", nil, ""},
		{"sound", []int64{0, 0}, ""},
		{"one difference", []int64{0, 1}, "verify stream s: 1 difference in 1 check: chain"},
		{"more than are shown", []int64{3, 4000}, "verify stream s: 4003 differences in 2 checks: balance, chain"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			i, w := sound(), &witness{}
			i.findings = i.findings[:len(tt.differences)]
			for n, differences := range tt.differences {
				i.findings[n].Differences = differences
			}
			report, err := verify.New(i, w, options(nil)).Run(t.Context())
			if tt.says == "" && err != nil || tt.says != "" && (domain.KindOf(err) != domain.Inconsistent || err.Error() != tt.says) {
				t.Errorf("the verdict is %v", err)
			}
			if len(report.Findings) != len(tt.differences) || len(w.checks) != len(tt.differences) {
				t.Errorf("report %+v after checks %v", report, w.checks)
			}
		})
	}
}

func TestWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	transient := failure(domain.Transient)
	tests := []struct {
		name     string
		failures []error
		breaks   error
		attempts int
		kind     domain.Kind // of the error; 0 if there is none
	}{
		{"a database that is away for a while", []error{transient, transient}, nil, 3, 0},
		{"a database that stays away", []error{transient, transient, transient}, nil, 3, domain.Transient},
		{"no such stream", []error{failure(domain.Invalid)}, nil, 1, domain.Invalid},
		{"a check that has begun is not", nil, transient, 1, domain.Transient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				i := sound()
				i.failures, i.breaks = tt.failures, tt.breaks
				report, err := verify.New(i, &witness{}, options(nil)).Run(t.Context())
				if (err != nil) != (tt.kind != 0) || err != nil && domain.KindOf(err) != tt.kind || i.attempts != tt.attempts {
					t.Errorf("%d attempts, %v", i.attempts, err)
				}
				if tt.breaks != nil && len(report.Findings) != 1 {
					t.Errorf("what was found until then: %+v", report.Findings)
				}
			})
		})
	}
}

// TestADatabaseThatFailsIsComparedAllTheSame: each check tells something the others do not.
func TestADatabaseThatFailsIsComparedAllTheSame(t *testing.T) {
	t.Parallel()
	i := sound()
	i.findings[0].Differences = 1
	w := &witness{}
	report, err := verify.New(i, w, options(streamOf(3, 2, &rows{}))).Run(t.Context())
	if domain.KindOf(err) != domain.Inconsistent || !strings.HasSuffix(err.Error(), ": balance") || len(report.Findings) != 4 {
		t.Errorf("%v: %+v", err, report.Findings)
	}
	want := []domain.Check{domain.CheckBalance, domain.CheckChain, domain.CheckReturned, domain.CheckUnreturned}
	if !slices.Equal(w.checks, want) || len(w.steps) != 2 {
		t.Errorf("told of %v and %d pages", w.checks, len(w.steps))
	}
}

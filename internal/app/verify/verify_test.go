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
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

const sourceURL = "https://api.example/v1"

// A fakeInventory returns prepared findings or errors.
type fakeInventory struct {
	checkpoint  domain.Checkpoint
	endAccepted bool // the user accepted a short end of the last pass
	shared      bool // another stream uses the same table
	findings    []domain.Finding
	firstErrs   []error // the errors of the first calls of Inspect, which make no check
	checkErr    error   // the error that Inspect returns after its first check; nil if it makes all checks
	calls       int     // the number of calls of Inspect
}

func (i *fakeInventory) Inspect(_ context.Context, stream domain.StreamID, begin func(domain.Check)) (domain.Inspection, error) {
	i.calls++
	if i.calls <= len(i.firstErrs) {
		return domain.Inspection{}, i.firstErrs[i.calls-1]
	}
	i.checkpoint.Stream = stream
	inspection := domain.Inspection{Stream: domain.StreamReport{Checkpoint: i.checkpoint}, EndAccepted: i.endAccepted, Shared: i.shared}
	for n, finding := range i.findings {
		begin(finding.Check)
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

func (r *recorder) Checking(c domain.Check)       { r.checks = append(r.checks, c) }
func (r *recorder) Waiting(retry.Wait)            { r.waits++ }
func (r *recorder) Compared(p domain.DecodedPage) { r.pages = append(r.pages, p) }

// maxTries is the number of attempts for an operation that fails.
const maxTries = 3

// newOptions returns options to verify a stream s. If api is nil, only the database is checked.
func newOptions(api *verify.API) verify.Options {
	return verify.Options{
		Stream: domain.StreamID{Source: "s"}, API: api,
		Retry:  retry.Policy{Tries: maxTries, MaxWait: time.Hour, Jitter: func() float64 { return 1 }},
		Outage: retry.Policy{MaxTime: 10 * time.Minute, Jitter: func() float64 { return 1 }},
	}
}

// newConsistentInventory returns an inventory of a stream that is done, with two checks that find no difference.
func newConsistentInventory() *fakeInventory {
	return &fakeInventory{
		checkpoint: domain.Checkpoint{SourceURL: sourceURL, Position: domain.Position{Pass: 1, Done: true}},
		findings:   []domain.Finding{{Check: domain.CheckBalance}, {Check: domain.CheckChain}},
	}
}

func newError(kind domain.Kind) error {
	return &domain.Error{Kind: kind, Op: "inspect", Err: errors.New("broken")}
}

// TestRun_Inconsistent checks that Run returns Inconsistent if checks find differences. The error must name these checks.
func TestRun_Inconsistent(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		differences []int64 // the number of differences that each check finds: first balance, then chain
		want        string  // the error's text; empty if no error is expected
	}{
		{name: "no check"},
		{name: "no difference", differences: []int64{0, 0}},
		{name: "one difference", differences: []int64{0, 1}, want: "verify stream s: 1 difference in 1 check: chain"},
		{
			name: "more than are shown", differences: []int64{3, 4000},
			want: "verify stream s: 4003 differences in 2 checks: balance, chain",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inventory, recorder := newConsistentInventory(), &recorder{}
			inventory.findings = inventory.findings[:len(tt.differences)]
			for n, differences := range tt.differences {
				inventory.findings[n].Differences = differences
			}
			report, err := verify.New(inventory, recorder, newOptions(nil)).Run(t.Context())
			if tt.want == "" {
				domaintest.CheckKind(t, err, domaintest.NoError)
			} else if domain.KindOf(err) != domain.Inconsistent || err.Error() != tt.want {
				t.Errorf("got error %v, want Inconsistent: %q", err, tt.want)
			}
			if want := len(tt.differences); len(report.Findings) != want || len(recorder.checks) != want {
				t.Errorf("got findings %+v after checks %v, want %d of each", report.Findings, recorder.checks, want)
			}
		})
	}
}

// TestInspect_Retries checks that Run tries again after errors that come before the first check, and only then.
func TestInspect_Retries(t *testing.T) {
	t.Parallel()
	transient := newError(domain.Transient)
	tests := []struct {
		name      string
		firstErrs []error
		checkErr  error
		wantCalls int
		want      domain.Kind
	}{
		{name: "two failures", firstErrs: []error{transient, transient}, wantCalls: maxTries, want: domaintest.NoError},
		{name: "failures until the time has passed", firstErrs: slices.Repeat([]error{transient}, 99), wantCalls: 4, want: domain.Transient},
		{name: "no such stream", firstErrs: []error{newError(domain.Invalid)}, wantCalls: 1, want: domain.Invalid},
		{name: "a failure after a check has begun", checkErr: transient, wantCalls: 1, want: domain.Transient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				inventory := newConsistentInventory()
				inventory.firstErrs, inventory.checkErr = tt.firstErrs, tt.checkErr
				opts := newOptions(nil)
				opts.Outage.MaxTime = 2 * time.Second // attempts begin after 0, 0.5, 1.5 and 2 s
				report, err := verify.New(inventory, &recorder{}, opts).Run(t.Context())
				domaintest.CheckKind(t, err, tt.want)
				if inventory.calls != tt.wantCalls {
					t.Errorf("got %d calls of Inspect, want %d", inventory.calls, tt.wantCalls)
				}
				if tt.checkErr != nil && len(report.Findings) != 1 {
					t.Errorf("got findings %+v, want the one before the failure", report.Findings)
				}
			})
		})
	}
}

// TestRun_ComparesInconsistentDatabase checks that Run compares a stream with the API even if a check of the database has
// found a difference.
func TestRun_ComparesInconsistentDatabase(t *testing.T) {
	t.Parallel()
	inventory, recorder := newConsistentInventory(), &recorder{}
	inventory.findings[0].Differences = 1
	const apiRecords, apiPages = pageSize + 1, 2
	report, err := verify.New(inventory, recorder, newOptions(newCleanAPI(apiRecords, &fakeRows{}))).Run(t.Context())
	if domain.KindOf(err) != domain.Inconsistent || !strings.HasSuffix(err.Error(), ": balance") {
		t.Errorf("got error %v, want Inconsistent because of balance", err)
	}
	if len(report.Findings) != 4 { // two of the database, and two of the comparison
		t.Errorf("got findings %+v, want 4", report.Findings)
	}
	want := []domain.Check{domain.CheckBalance, domain.CheckChain, domain.CheckReturned, domain.CheckUnreturned}
	if !slices.Equal(recorder.checks, want) {
		t.Errorf("observer got checks %v, want %v", recorder.checks, want)
	}
	if len(recorder.pages) != apiPages {
		t.Errorf("observer got %d compared pages, want %d", len(recorder.pages), apiPages)
	}
}

package ingest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// fencedErrors returns the errors that Claim returns while another runner holds the stream, one for each of the calls.
func fencedErrors(holder domain.Holder, calls int) []error {
	err := &domain.Error{Kind: domain.Fenced, Op: "lock", Holder: holder, Err: errors.New("another runner")}
	return slices.Repeat([]error{err}, calls)
}

// leasedErrors returns the errors of calls of Claim while another runner has a lease, which ends this long after the start of the test.
func leasedErrors(end time.Duration, calls int) []error {
	start := time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC) // the time at which synctest begins
	err := &domain.Error{
		Kind: domain.Fenced, Op: "claim", Holder: domain.HolderLeased, Until: start.Add(end), Err: errors.New("another runner"),
	}
	return slices.Repeat([]error{err}, calls)
}

// TestClaim_FencedRetries checks how long a run tries to claim a stream that another runner, the holder, holds. The time depends on the
// state of the holder.
func TestClaim_FencedRetries(t *testing.T) {
	t.Parallel()
	const claimInterval = 200 * time.Millisecond // the wait after each error; as in the package
	const allCalls = 1000                        // more calls of Claim than a run makes
	tests := []struct {
		name      string
		claimErrs []error // the errors of the first calls of Claim; later calls succeed
		want      domain.Kind
		wantAfter time.Duration // the time after which the run ends
		wantWaits int           // the number of waits that the observer is notified of: one, and one more if the timeout changes
	}{
		{
			name: "the session of a killed runner ends", claimErrs: fencedErrors(domain.HolderAlive, 3),
			want: domaintest.NoError, wantAfter: 3 * claimInterval, wantWaits: 1,
		},
		{
			name: "the holder is alive", claimErrs: fencedErrors(domain.HolderAlive, allCalls),
			want: domain.Fenced, wantAfter: time.Second, wantWaits: 1,
		},
		{
			name: "the holder's state is unknown", claimErrs: fencedErrors(domain.HolderUnknown, allCalls),
			want: domain.Fenced, wantAfter: 5 * time.Second, wantWaits: 1,
		},
		{
			name: "the holder is silent, and its session ends", claimErrs: fencedErrors(domain.HolderSilent, 120),
			want: domaintest.NoError, wantAfter: 120 * claimInterval, wantWaits: 1,
		},
		{
			name: "the holder stays silent", claimErrs: fencedErrors(domain.HolderSilent, allCalls),
			want: domain.Fenced, wantAfter: 30 * time.Second, wantWaits: 1,
		},
		{
			// When the state changes, more time has passed than the timeout for a holder that is alive. So the run ends at once.
			name:      "the holder is silent, and then alive",
			claimErrs: slices.Concat(fencedErrors(domain.HolderSilent, 50), fencedErrors(domain.HolderAlive, allCalls)),
			want:      domain.Fenced, wantAfter: 50 * claimInterval, wantWaits: 1,
		},
		{
			name:      "the holder is alive, then silent, and its session ends",
			claimErrs: slices.Concat(fencedErrors(domain.HolderAlive, 3), fencedErrors(domain.HolderSilent, 97)),
			want:      domaintest.NoError, wantAfter: (3 + 97) * claimInterval, wantWaits: 2, // one for each timeout
		},
		{
			name: "the lease of a killed runner ends", claimErrs: leasedErrors(20*time.Second, 100),
			want: domaintest.NoError, wantAfter: 100 * claimInterval, wantWaits: 1,
		},
		{
			name:      "the holder extends its lease",
			claimErrs: slices.Concat(leasedErrors(30*time.Second, 15), leasedErrors(33*time.Second, allCalls)),
			want:      domain.Fenced, wantAfter: 15 * claimInterval, wantWaits: 1,
		},
		{
			name: "the lease does not end, because the server's clock stands still", claimErrs: leasedErrors(10*time.Second, allCalls),
			want: domain.Fenced, wantAfter: 11 * time.Second, wantWaits: 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				f.store = &flakyStore{EventStore: f.store, claimErrs: tt.claimErrs}
				source := newScript(t)
				if tt.want == domaintest.NoError {
					source = newScript(t, lastPage(1, "1"))
				}
				began := time.Now()
				_, err := f.run(t.Context(), source)
				domaintest.CheckKind(t, err, tt.want)
				if took := time.Since(began); took != tt.wantAfter {
					t.Errorf("run ended after %s, want %s", took, tt.wantAfter)
				}
				if len(f.seen.waits) != tt.wantWaits {
					t.Errorf("observer got %d waits, want %d", len(f.seen.waits), tt.wantWaits)
				}
			})
		})
	}
}

// A holdLog is a store that records the length of each hold that it gets.
type holdLog struct {
	domain.EventStore

	holds []time.Duration
}

func (s *holdLog) Hold(ctx context.Context, checkpoint domain.Checkpoint, until time.Time) error {
	s.holds = append(s.holds, time.Until(until))
	return s.EventStore.Hold(ctx, checkpoint, until)
}

// TestHold_MinAndMax checks that a run does not store a hold of up to minHold. If a hold is longer than maxHold, the run must store
// maxHold instead.
func TestHold_MinAndMax(t *testing.T) {
	t.Parallel()
	const minHold, maxHold = 5 * time.Second, time.Hour // as in the package
	const longerHold = minHold + time.Millisecond
	tests := []struct {
		name       string
		refusedFor time.Duration   // how long the API refuses the second request
		want       []time.Duration // the holds that the store gets
	}{
		{name: "the minimum", refusedFor: minHold, want: nil},
		{name: "more than the minimum", refusedFor: longerHold, want: []time.Duration{longerHold}},
		{name: "the maximum", refusedFor: maxHold, want: []time.Duration{maxHold}},
		{name: "more than the maximum", refusedFor: 3 * maxHold, want: []time.Duration{maxHold}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				log := &holdLog{EventStore: f.store}
				f.store = log
				f.opts.Retry.MaxWait = time.Second // so that the run ends at the refusal
				_, err := f.run(t.Context(), newScript(t, page(3, "a", "1"), domaintest.RefuseFor(tt.refusedFor)))
				domaintest.CheckKind(t, err, domain.RateLimited)
				if !slices.Equal(log.holds, tt.want) {
					t.Errorf("got holds %v, want %v", log.holds, tt.want)
				}
			})
		})
	}
}

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

// TestClaim_FencedRetries checks how long a run tries to claim a stream that another runner holds. The time depends on the state
// of that runner. The run makes five attempts per second, so 120 errors take 24 seconds.
func TestClaim_FencedRetries(t *testing.T) {
	t.Parallel()
	const allCalls = 1000 // more calls of Claim than a run makes
	tests := []struct {
		name      string
		claimErrs []error // the errors of the first calls of Claim; later calls succeed
		want      domain.Kind
		wantAfter time.Duration // the time after which the run ends
		wantWaits int           // the number of waits that the observer is notified of
	}{
		{
			name: "the session of a killed runner ends", claimErrs: fencedErrors(domain.HolderAlive, 3),
			want: noError, wantAfter: 600 * time.Millisecond, wantWaits: 1,
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
			want: noError, wantAfter: 24 * time.Second, wantWaits: 1,
		},
		{
			name: "the holder stays silent", claimErrs: fencedErrors(domain.HolderSilent, allCalls),
			want: domain.Fenced, wantAfter: 30 * time.Second, wantWaits: 1,
		},
		{
			name:      "the holder is silent, and then alive",
			claimErrs: slices.Concat(fencedErrors(domain.HolderSilent, 50), fencedErrors(domain.HolderAlive, allCalls)),
			want:      domain.Fenced, wantAfter: 10 * time.Second, wantWaits: 1,
		},
		{
			name:      "the holder is alive, then silent, and its session ends",
			claimErrs: slices.Concat(fencedErrors(domain.HolderAlive, 3), fencedErrors(domain.HolderSilent, 97)),
			want:      noError, wantAfter: 20 * time.Second, wantWaits: 2,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				f.store = &flakyStore{EventStore: f.store, claimErrs: tt.claimErrs}
				source := newScript(t)
				if tt.want == noError {
					source = newScript(t, page(1, "", "1"))
				}
				began := time.Now()
				_, err := f.run(t.Context(), source)
				checkKind(t, err, tt.want)
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
	tests := []struct {
		name       string
		refusedFor time.Duration
		want       []time.Duration
	}{
		{"the minimum", minHold, nil},
		{"more than the minimum", minHold + time.Millisecond, []time.Duration{minHold + time.Millisecond}},
		{"the maximum", maxHold, []time.Duration{maxHold}},
		{"more than the maximum", 3 * maxHold, []time.Duration{maxHold}},
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
				checkKind(t, err, domain.RateLimited)
				if !slices.Equal(log.holds, tt.want) {
					t.Errorf("got holds %v, want %v", log.holds, tt.want)
				}
			})
		})
	}
}

package ingest_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// A holdLog is a store that keeps what is noted of the rate limit.
type holdLog struct {
	domain.EventStore

	holds []time.Duration // from the time of the note
}

func (s *holdLog) Hold(ctx context.Context, at domain.Checkpoint, until time.Time) error {
	s.holds = append(s.holds, time.Until(until))
	return s.EventStore.Hold(ctx, at, until)
}

// TestWhichHoldsAreNoted: a short one is not worth a write, and a long one may be an error of the API's.
func TestWhichHoldsAreNoted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		refused time.Duration
		want    []time.Duration
	}{
		{"5 s are short", 5 * time.Second, nil},
		{"more than 5 s", 5*time.Second + time.Millisecond, []time.Duration{5*time.Second + time.Millisecond}},
		{"an hour", time.Hour, []time.Duration{time.Hour}},
		{"more than an hour is noted as an hour", 3 * time.Hour, []time.Duration{time.Hour}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				noted := &holdLog{EventStore: b.store}
				b.store, b.opts.Retry.MaxWait = noted, time.Second
				if _, err := b.run(t.Context(), says(t, of(3, "a", "1"), domaintest.RefuseFor(tt.refused))); domain.KindOf(err) != domain.RateLimited {
					t.Fatal(err)
				}
				if !slices.Equal(noted.holds, tt.want) {
					t.Errorf("noted %v, want %v", noted.holds, tt.want)
				}
			})
		})
	}
}

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

func heldBy(holder domain.Holder) error {
	return &domain.Error{Kind: domain.Fenced, Op: "lock", Holder: holder, Err: errors.New("another runner")}
}

// TestClaim_FencedRetries: claim tries again as long as the holder may be gone without the server's knowledge.
func TestClaim_FencedRetries(t *testing.T) {
	t.Parallel()
	type fencedAnswers struct {
		holder domain.Holder
		times  int
	}
	tests := []struct {
		name   string
		fenced []fencedAnswers
		kind   domain.Kind
		after  time.Duration
		waits  int // that the observer got
	}{
		{"the session of a killed runner ends", []fencedAnswers{{domain.HolderAlive, 3}}, 0, 600 * time.Millisecond, 1},
		{"another runner is working", []fencedAnswers{{domain.HolderAlive, 1000}}, domain.Fenced, time.Second, 1},
		{"the holder's state is unknown", []fencedAnswers{{domain.HolderUnknown, 1000}}, domain.Fenced, 5 * time.Second, 1},
		{"the holder's machine is gone", []fencedAnswers{{domain.HolderSilent, 120}}, 0, 24 * time.Second, 1},
		{"the holder stays frozen", []fencedAnswers{{domain.HolderSilent, 1000}}, domain.Fenced, 30 * time.Second, 1},
		{"the holder wakes up", []fencedAnswers{{domain.HolderSilent, 50}, {domain.HolderAlive, 1000}}, domain.Fenced, 10 * time.Second, 1},
		{"the holder becomes silent meanwhile", []fencedAnswers{{domain.HolderAlive, 3}, {domain.HolderSilent, 97}}, 0, 20 * time.Second, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				store := &flakyStore{EventStore: f.store}
				for _, s := range tt.fenced {
					for range s.times {
						store.claimErrs = append(store.claimErrs, heldBy(s.holder))
					}
				}
				f.store = store
				began := time.Now()
				var source *script
				if tt.kind == 0 {
					source = newScript(t, page(1, "", "1"))
				} else {
					source = newScript(t)
				}
				_, err := f.run(t.Context(), source)
				if (err == nil) != (tt.kind == 0) || (err != nil && domain.KindOf(err) != tt.kind) {
					t.Errorf("got error %v, want kind %v", err, tt.kind)
				}
				if took := time.Since(began); took != tt.after {
					t.Errorf("ended after %s, want %s", took, tt.after)
				}
				if len(f.seen.waits) != tt.waits {
					t.Errorf("observer got %d waits, want %d", len(f.seen.waits), tt.waits)
				}
			})
		})
	}
}

// A holdLog is a store that records the holds it gets.
type holdLog struct {
	domain.EventStore

	holds []time.Duration // from the time of the call
}

func (s *holdLog) Hold(ctx context.Context, at domain.Checkpoint, until time.Time) error {
	s.holds = append(s.holds, time.Until(until))
	return s.EventStore.Hold(ctx, at, until)
}

// TestHold_MinAndMax: a short hold is not worth a write, and a long one may be an error of the API.
func TestHold_MinAndMax(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		refused time.Duration
		want    []time.Duration
	}{
		{"5 s is too short", 5 * time.Second, nil},
		{"more than 5 s", 5*time.Second + time.Millisecond, []time.Duration{5*time.Second + time.Millisecond}},
		{"an hour", time.Hour, []time.Duration{time.Hour}},
		{"more than an hour is stored as an hour", 3 * time.Hour, []time.Duration{time.Hour}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				log := &holdLog{EventStore: f.store}
				f.store, f.opts.Retry.MaxWait = log, time.Second
				if _, err := f.run(
					t.Context(), newScript(t, page(3, "a", "1"), domaintest.RefuseFor(tt.refused)),
				); domain.KindOf(err) != domain.RateLimited {
					t.Fatal(err)
				}
				if !slices.Equal(log.holds, tt.want) {
					t.Errorf("got holds %v, want %v", log.holds, tt.want)
				}
			})
		})
	}
}

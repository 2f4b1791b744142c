package replay_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

func TestRun_ReplaysEachOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "no.1", "x", "no.2", "y", "no.1", "z", "no.3", "no.4")
	report, err := f.run(t.Context())
	want := domain.Counts{Received: 7, Inserted: 4, Parked: 3} // the second no.1 was parked with the first
	if err != nil || report.Counts != want || report.Again["not a number"] != 3 || report.Skipped != 0 || report.Stream != stream {
		t.Errorf("got %+v, %v", report, err)
	}
	const letters = "no.1: 1 replayed, x: 1, no.2: 1 replayed, y: 1, z: 1, no.3: 1 replayed, no.4: 1 replayed"
	if got := f.describeLetters(); got != letters {
		t.Errorf("got %s\nwant %s", got, letters)
	}
	if !slices.Equal(f.seen.batches, []int64{3, 6, 7}) || len(f.seen.surveys) != 1 || f.seen.surveys[0].Open != 7 {
		t.Errorf("got observer calls %+v", f.seen)
	}
	if report, err := f.run(t.Context()); err != nil || report.Received != 3 || report.Parked != 3 {
		t.Errorf("second replay: got %+v, %v", report, err)
	}
	if rows := f.db.Ledger(); len(rows) != 1+3+1 {
		t.Errorf("got %d rows in the ledger, want 5", len(rows))
	}
}

func TestRun_Selections(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		chosen domain.DeadLetterSelection
		want   string
		skips  int64
	}{
		"ids":         {domain.DeadLetterSelection{IDs: []int64{4, 2, 4}}, "no.1: 0, x: 1, no.2: 0, no.3: 1 replayed", 0},
		"a reason":    {domain.DeadLetterSelection{Reason: "not a number"}, "no.1: 1 replayed, x: 1, no.2: 1 replayed, no.3: 1 replayed", 0},
		"none has it": {domain.DeadLetterSelection{Reason: "other"}, "no.1: 0, x: 0, no.2: 0, no.3: 0", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, "no.1", "x", "no.2", "no.3")
			f.opts.Letters = tt.chosen
			report, err := f.run(t.Context())
			if got := f.describeLetters(); err != nil || got != tt.want || report.Skipped != tt.skips {
				t.Errorf("%v, %+v\ngot %s\nwant %s", err, report, got, tt.want)
			}
		})
	}
}

func TestRun_SkipsResolved(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "no.1", "x", "no.2")
	f.opts.Letters = domain.DeadLetterSelection{IDs: []int64{1, 2}}
	for skipped := range int64(2) {
		report, err := f.run(t.Context())
		if err != nil || report.Skipped != skipped || report.Received != 2-skipped {
			t.Errorf("got %+v, %v", report, err)
		}
	}
	f.store.replays = []attempt{func(call func() (domain.ReplayResult, error)) (domain.ReplayResult, error) {
		other := newFixture(t)
		other.db, other.store = f.db, &flakyStore{Store: f.db.Replays(9)}
		if _, err := other.run(t.Context()); err != nil {
			t.Error(err)
		}
		return call()
	}}
	f.opts.Letters = domain.DeadLetterSelection{All: true}
	if report, err := f.run(t.Context()); err != nil || report.Skipped != 1 || report.Received != 1 {
		t.Errorf("resolved meanwhile: got %+v, %v", report, err)
	}
}

func TestRun_InvalidSelections(t *testing.T) {
	t.Parallel()
	for want, tt := range map[string]struct {
		chosen domain.DeadLetterSelection
		stream domain.StreamID
	}{
		"no dead letters are named": {domain.DeadLetterSelection{}, stream},
		"exclude each other":        {domain.DeadLetterSelection{All: true, Reason: "x"}, stream},
		"an id is 1 or more":        {domain.DeadLetterSelection{IDs: []int64{1, 0}}, stream},
		"10001 ids":                 {domain.DeadLetterSelection{IDs: make([]int64, 10_001)}, stream},
		"no dead letter of id 3, 9": {domain.DeadLetterSelection{IDs: []int64{9, 1, 3}}, stream},
		"and 10 more":               {domain.DeadLetterSelection{IDs: idsTo(32)}, stream},
		"no such stream":            {domain.DeadLetterSelection{All: true}, domain.StreamID{Source: "other"}},
	} {
		f := newFixture(t, "no.1", "no.2")
		f.opts.Letters, f.opts.Stream = tt.chosen, tt.stream
		_, err := f.run(t.Context())
		if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), want) || f.store.attempts != 0 {
			t.Errorf("got %d attempts and %v, want none and %q", f.store.attempts, err, want)
		}
	}
}

func idsTo(n int) (ids []int64) {
	for id := range int64(n) {
		ids = append(ids, id+1)
	}
	return ids
}

func TestRun_Failures(t *testing.T) {
	t.Parallel()
	const done = "no.1: 1 replayed, x: 1, no.2: 1 replayed, no.3: 1 replayed"
	for name, tt := range map[string]struct {
		replays    []attempt
		opens      []error
		want       string
		attempts   int
		received   int64
		unanswered int
	}{
		"a failure passes":           {[]attempt{failOnce, failOnce}, nil, done, 4, 4, 0},
		"letters cannot be read":     {nil, []error{scriptedError(domain.Transient)}, done, 2, 4, 0},
		"a COMMIT that was not made": {[]attempt{loseCommit}, nil, done, 3, 4, 1},
		// Its effect stays. The dead letters that are still open are read again, in one batch with the rest.
		"a COMMIT that was made": {[]attempt{loseAnswer}, nil, "no.1: 1 replayed, x: 2, no.2: 1 replayed, no.3: 1 replayed", 2, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, "no.1", "x", "no.2", "no.3")
				f.store.replays, f.store.opens = tt.replays, tt.opens
				report, err := f.run(t.Context())
				if err != nil || report.Received != tt.received || report.Unanswered != tt.unanswered || !report.Balanced() {
					t.Errorf("got %+v, %v", report, err)
				}
				if got := f.describeLetters(); got != tt.want || f.store.attempts != tt.attempts || len(f.db.Events()) != 3 {
					t.Errorf("got %d attempts, %d events, %s; want %d, 3, %s", f.store.attempts, len(f.db.Events()), got, tt.attempts, tt.want)
				}
				if waits := len(tt.replays) + len(tt.opens); len(f.seen.waits) != waits {
					t.Errorf("got %d waits, want %d", len(f.seen.waits), waits)
				}
			})
		})
	}
}

func TestRun_FailsPermanently(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, "no.1", "x", "no.2", "no.3")
		f.store.replays = []attempt{
			func(call func() (domain.ReplayResult, error)) (domain.ReplayResult, error) { return call() },
			failOnce, failOnce, failOnce, failOnce, failOnce, failOnce,
		}
		report, err := f.run(t.Context())
		if domain.KindOf(err) != domain.Transient || f.store.attempts != 6 || report.Received != 3 {
			t.Errorf("got %d attempts, %+v, %v", f.store.attempts, report, err)
		}
	})
}

// TestRun_CancelledFinishesBatch: the current batch is stored, and no other begins.
func TestRun_CancelledFinishesBatch(t *testing.T) {
	t.Parallel()
	for name, letters := range map[string]int{"more batches left": 7, "no batch left": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var payloads []string
			for n := range letters {
				payloads = append(payloads, fmt.Sprintf("no.%d", n))
			}
			f := newFixture(t, payloads...)
			ctx, cancel := context.WithCancel(t.Context())
			f.store.replays = []attempt{func(call func() (domain.ReplayResult, error)) (domain.ReplayResult, error) {
				cancel()
				return call()
			}}
			report, err := f.run(ctx)
			stopped := domain.KindOf(err) == domain.Stopped && err != nil
			if stopped != (letters > 3) || report.Inserted != 3 || len(f.db.Events()) != 3 {
				t.Errorf("got %+v, %v", report, err)
			}
		})
	}
}

func TestRun_CancelledWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, "no.1")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		f.store.replays = []attempt{failOnce, failOnce}
		if _, err := f.run(ctx); domain.KindOf(err) != domain.Stopped || f.store.attempts != 1 {
			t.Errorf("got %d attempts, %v", f.store.attempts, err)
		}
	})
}

// TestRun_ParkedMeanwhile: dead letters that are parked meanwhile are left to the next replay.
func TestRun_ParkedMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "no.1", "no.2", "no.3", "no.4")
	f.store.replays = []attempt{func(call func() (domain.ReplayResult, error)) (domain.ReplayResult, error) {
		f.park(t, "no.5", "no.6")
		return call()
	}}
	if report, err := f.run(t.Context()); err != nil || report.Received != 4 {
		t.Errorf("got %+v, %v", report, err)
	}
}

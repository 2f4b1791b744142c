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
	want := domain.Counts{Received: 7, Inserted: 4, Parked: 3} // the two records no.1 are one dead letter
	if err != nil || report.Counts != want || report.Stream != stream {
		t.Errorf("got counts %+v of stream %s, error %v; want %+v of %s", report.Counts, report.Stream, err, want, stream)
	}
	if report.Again["not a number"] != 3 || report.Skipped != 0 {
		t.Errorf("got again %v, skipped %d; want 3 that are not a number, 0 skipped", report.Again, report.Skipped)
	}
	const letters = "no.1: 1 replayed, x: 1, no.2: 1 replayed, y: 1, z: 1, no.3: 1 replayed, no.4: 1 replayed"
	if got := f.describeLetters(); got != letters {
		t.Errorf("got %s\nwant %s", got, letters)
	}
	if want := []int64{3, 6, 7}; !slices.Equal(f.seen.batches, want) {
		t.Errorf("observer got dead letters replayed after each batch %v, want %v", f.seen.batches, want)
	}
	if len(f.seen.surveys) != 1 || f.seen.surveys[0].Open != 7 {
		t.Errorf("observer got surveys %+v, want one with 7 open dead letters", f.seen.surveys)
	}
	if report, err := f.run(t.Context()); err != nil || report.Received != 3 || report.Parked != 3 {
		t.Errorf("second replay: got %d replayed, %d parked, error %v; want 3, 3", report.Received, report.Parked, err)
	}
	const wantRows = 1 + 3 + 1 // the page, three batches of the first replay and one batch of the second
	if rows := f.db.Ledger(); len(rows) != wantRows {
		t.Errorf("got %d rows in the ledger, want %d", len(rows), wantRows)
	}
}

func TestRun_Selections(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		selection domain.DeadLetterSelection
		want      string // see describeLetters
	}{
		"ids": {
			domain.DeadLetterSelection{IDs: []int64{4, 2, 4}},
			"no.1: 0, x: 1, no.2: 0, no.3: 1 replayed",
		},
		"a reason": {
			domain.DeadLetterSelection{Reason: "not a number"},
			"no.1: 1 replayed, x: 1, no.2: 1 replayed, no.3: 1 replayed",
		},
		"a reason that no dead letter has": {
			domain.DeadLetterSelection{Reason: "other"},
			"no.1: 0, x: 0, no.2: 0, no.3: 0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, "no.1", "x", "no.2", "no.3")
			f.opts.Letters = tt.selection
			report, err := f.run(t.Context())
			if err != nil || report.Skipped != 0 {
				t.Errorf("got %d skipped, error %v; want 0", report.Skipped, err)
			}
			if got := f.describeLetters(); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestRun_SkipsResolved(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "no.1", "x", "no.2")
	f.opts.Letters = domain.DeadLetterSelection{IDs: []int64{1, 2}}
	for _, wantSkipped := range []int64{0, 1} { // the first replay resolves no.1
		report, err := f.run(t.Context())
		if err != nil || report.Skipped != wantSkipped || report.Received != 2-wantSkipped {
			t.Errorf("got %d skipped, %d replayed, error %v; want %d, %d",
				report.Skipped, report.Received, err, wantSkipped, 2-wantSkipped)
		}
	}
}

// TestRun_SkipsResolvedAfterRead checks that a dead letter is skipped if another replay resolves it after this one has
// read it.
func TestRun_SkipsResolvedAfterRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "x", "no.2")
	f.store.replays = []replayFunc{func(callStore func() (domain.ReplayResult, error)) (domain.ReplayResult, error) {
		other := newFixture(t)
		other.db, other.store = f.db, &flakyStore{Store: f.db.Replays(batchSize)}
		if _, err := other.run(t.Context()); err != nil {
			t.Error(err)
		}
		return callStore()
	}}
	if report, err := f.run(t.Context()); err != nil || report.Skipped != 1 || report.Received != 1 {
		t.Errorf("got %d skipped, %d replayed, error %v; want 1, 1", report.Skipped, report.Received, err)
	}
}

func TestRun_InvalidSelections(t *testing.T) {
	t.Parallel()
	for wantError, tt := range map[string]struct {
		selection domain.DeadLetterSelection
		stream    domain.StreamID
	}{
		"no dead letters are named": {domain.DeadLetterSelection{}, stream},
		"exclude each other":        {domain.DeadLetterSelection{All: true, Reason: "x"}, stream},
		"an id is 1 or more":        {domain.DeadLetterSelection{IDs: []int64{1, 0}}, stream},
		"10001 ids":                 {domain.DeadLetterSelection{IDs: make([]int64, 10_001)}, stream},
		"no dead letter of id 3, 9": {domain.DeadLetterSelection{IDs: []int64{9, 1, 3}}, stream},
		"and 10 more":               {domain.DeadLetterSelection{IDs: idsTo(2 + 20 + 10)}, stream}, // 2 exist, 20 are shown
		"no such stream":            {domain.DeadLetterSelection{All: true}, domain.StreamID{Source: "other"}},
	} {
		f := newFixture(t, "no.1", "no.2")
		f.opts.Letters, f.opts.Stream = tt.selection, tt.stream
		_, err := f.run(t.Context())
		if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), wantError) {
			t.Errorf("got error %v, want Invalid with %q", err, wantError)
		}
		if f.store.replayCallCount != 0 {
			t.Errorf("%s: got %d calls of Replay, want none", wantError, f.store.replayCallCount)
		}
	}
}

// idsTo returns the ids from 1 to n.
func idsTo(n int64) (ids []int64) {
	for id := int64(1); id <= n; id++ {
		ids = append(ids, id)
	}
	return ids
}

func TestRun_Failures(t *testing.T) {
	t.Parallel()
	const (
		eachReplayedOnce = "no.1: 1 replayed, x: 1, no.2: 1 replayed, no.3: 1 replayed"
		xReplayedTwice   = "no.1: 1 replayed, x: 2, no.2: 1 replayed, no.3: 1 replayed"
	)
	for name, tt := range map[string]struct {
		replays         []replayFunc
		openErrs        []error
		wantLetters     string // see describeLetters
		wantReplayCalls int    // without a failure there are two, because the four dead letters need two batches
		wantReceived    int64
		wantUnanswered  int
	}{
		"two transient failures": {
			replays:     []replayFunc{failTransiently, failTransiently},
			wantLetters: eachReplayedOnce, wantReplayCalls: 4, wantReceived: 4,
		},
		"dead letters cannot be read": {
			openErrs:    []error{scriptedError(domain.Transient)},
			wantLetters: eachReplayedOnce, wantReplayCalls: 2, wantReceived: 4,
		},
		"lost COMMIT": {
			replays:     []replayFunc{loseCommit},
			wantLetters: eachReplayedOnce, wantReplayCalls: 3, wantReceived: 4, wantUnanswered: 1,
		},
		// The first batch is stored. The second one has the dead letters that are still open: x and no.3.
		"lost answer": {
			replays:     []replayFunc{loseAnswer},
			wantLetters: xReplayedTwice, wantReplayCalls: 2, wantReceived: 2, wantUnanswered: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, "no.1", "x", "no.2", "no.3")
				f.store.replays, f.store.openErrs = tt.replays, tt.openErrs
				report, err := f.run(t.Context())
				if err != nil || report.Received != tt.wantReceived || report.Unanswered != tt.wantUnanswered {
					t.Errorf("got %d replayed, %d unanswered, error %v; want %d, %d",
						report.Received, report.Unanswered, err, tt.wantReceived, tt.wantUnanswered)
				}
				if !report.Balanced() {
					t.Errorf("got counts %+v, want balanced counts", report.Counts)
				}
				if got := f.describeLetters(); got != tt.wantLetters {
					t.Errorf("got dead letters %s, want %s", got, tt.wantLetters)
				}
				if f.store.replayCallCount != tt.wantReplayCalls {
					t.Errorf("got %d calls of Replay, want %d", f.store.replayCallCount, tt.wantReplayCalls)
				}
				if events := len(f.db.Events()); events != 3 {
					t.Errorf("got %d events, want 3", events)
				}
				if wantWaits := len(tt.replays) + len(tt.openErrs); len(f.seen.waits) != wantWaits {
					t.Errorf("observer got %d waits, want %d", len(f.seen.waits), wantWaits)
				}
			})
		})
	}
}

func TestRun_FailsPermanently(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, "no.1", "x", "no.2", "no.3")
		succeed := func(callStore func() (domain.ReplayResult, error)) (domain.ReplayResult, error) { return callStore() }
		failures := slices.Repeat([]replayFunc{failTransiently}, 2*maxTries)
		f.store.replays = append([]replayFunc{succeed}, failures...)
		report, err := f.run(t.Context())
		if domain.KindOf(err) != domain.Transient || report.Received != batchSize {
			t.Errorf("got %d replayed, error %v; want %d, Transient", report.Received, err, batchSize)
		}
		if want := 1 + maxTries; f.store.replayCallCount != want {
			t.Errorf("got %d calls of Replay, want %d", f.store.replayCallCount, want)
		}
	})
}

// TestRun_CancelledFinishesBatch checks that the current batch is stored if ctx ends, and that no further batch is read.
func TestRun_CancelledFinishesBatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		letters int
		stopped bool // Run returns Stopped, because there are further batches
	}{
		{name: "more batches left", letters: 2*batchSize + 1, stopped: true},
		{name: "no batch left", letters: batchSize, stopped: false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var payloads []string
			for n := range tt.letters {
				payloads = append(payloads, fmt.Sprintf("no.%d", n))
			}
			f := newFixture(t, payloads...)
			ctx, cancel := context.WithCancel(t.Context())
			f.store.replays = []replayFunc{func(callStore func() (domain.ReplayResult, error)) (domain.ReplayResult, error) {
				cancel()
				return callStore()
			}}
			report, err := f.run(ctx)
			if stopped := domain.KindOf(err) == domain.Stopped; stopped != tt.stopped || !tt.stopped && err != nil {
				t.Errorf("got error %v, want Stopped: %v", err, tt.stopped)
			}
			if report.Inserted != batchSize || len(f.db.Events()) != batchSize {
				t.Errorf("got %d inserted, %d events stored; want %d", report.Inserted, len(f.db.Events()), batchSize)
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
		f.store.replays = []replayFunc{failTransiently, failTransiently}
		if _, err := f.run(ctx); domain.KindOf(err) != domain.Stopped || f.store.replayCallCount != 1 {
			t.Errorf("got %d calls of Replay, error %v; want 1, Stopped", f.store.replayCallCount, err)
		}
	})
}

// TestRun_ParkedDuringReplay checks that dead letters that are parked during a replay are left to the next replay.
func TestRun_ParkedDuringReplay(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "no.1", "no.2", "no.3", "no.4")
	f.store.replays = []replayFunc{func(callStore func() (domain.ReplayResult, error)) (domain.ReplayResult, error) {
		f.park(t, "no.5", "no.6")
		return callStore()
	}}
	if report, err := f.run(t.Context()); err != nil || report.Received != 4 {
		t.Errorf("got %d replayed, error %v; want 4", report.Received, err)
	}
}

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
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestRun_ReplaysEachOnce checks that a replay replays each open dead letter once, and reports and observes the results.
func TestRun_ReplaysEachOnce(t *testing.T) {
	t.Parallel()
	// newDecoder decodes the payload "no.1" as event 1. It rejects x, y and z. The two records no.1 are one dead letter.
	f := newFixture(t, "no.1", "x", "no.2", "y", "no.1", "z", "no.3", "no.4")
	report, err := f.run(t.Context())
	if err != nil || report.Stream != stream {
		t.Errorf("got stream %s, error %v; want %s", report.Stream, err, stream)
	}
	wantCounts := domain.Counts{Received: 7, Inserted: 4, Parked: 3}
	if report.Counts != wantCounts {
		t.Errorf("got counts %+v, want %+v", report.Counts, wantCounts)
	}
	if n := report.ParkedAgain["not a number"]; n != 3 || len(report.ParkedAgain) != 1 {
		t.Errorf("got dead letters parked again %v, want only 3 that are not a number", report.ParkedAgain)
	}
	if report.Skipped != 0 {
		t.Errorf("got %d skipped, want 0", report.Skipped)
	}
	const wantLetters = "no.1: 1 replay, resolved as replayed; x: 1 replay, open; no.2: 1 replay, resolved as replayed; " +
		"y: 1 replay, open; z: 1 replay, open; no.3: 1 replay, resolved as replayed; no.4: 1 replay, resolved as replayed"
	if got := f.describeLetters(); got != wantLetters {
		t.Errorf("got dead letters %s\nwant %s", got, wantLetters)
	}
	if want := []int64{3, 6, 7}; !slices.Equal(f.seen.totalsAfterBatch, want) { // 7 dead letters in batches of batchSize
		t.Errorf("observer got totals %v after the batches, want %v", f.seen.totalsAfterBatch, want)
	}
	if len(f.seen.surveys) != 1 || f.seen.surveys[0].Open != 7 {
		t.Errorf("observer got surveys %+v, want one with 7 open dead letters", f.seen.surveys)
	}
	// The second replay has the three dead letters that the first one left open.
	if report, err := f.run(t.Context()); err != nil || report.Received != 3 || report.Parked != 3 {
		t.Errorf("second replay: got %d received, %d parked, error %v; want 3, 3", report.Received, report.Parked, err)
	}
	const wantRows = 1 + 3 + 1 // one for the page, three for the batches of the first replay, and one for the second replay
	if rows := f.db.Ledger(); len(rows) != wantRows {
		t.Errorf("got %d rows in the ledger, want %d", len(rows), wantRows)
	}
}

// The results of [fixture.describeLetters] after a replay of the dead letters no.1, x, no.2 and no.3.
const (
	eachReplayedOnce = "no.1: 1 replay, resolved as replayed; x: 1 replay, open; no.2: 1 replay, resolved as replayed; " +
		"no.3: 1 replay, resolved as replayed"
	xReplayedTwice = "no.1: 1 replay, resolved as replayed; x: 2 replays, open; no.2: 1 replay, resolved as replayed; " +
		"no.3: 1 replay, resolved as replayed"
)

// TestRun_Selections checks that a replay replays only the selected dead letters. The dead letters no.1, x, no.2 and no.3 have
// the ids 1 to 4, and the reason "not a number".
func TestRun_Selections(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		selection domain.DeadLetterSelection
		want      string // see describeLetters
	}{
		"ids, one of them twice": {
			selection: domain.DeadLetterSelection{IDs: []int64{4, 2, 4}},
			want:      "no.1: 0 replays, open; x: 1 replay, open; no.2: 0 replays, open; no.3: 1 replay, resolved as replayed",
		},
		"a reason": {
			selection: domain.DeadLetterSelection{Reason: "not a number"},
			want:      eachReplayedOnce,
		},
		"a reason that no dead letter has": {
			selection: domain.DeadLetterSelection{Reason: "other"},
			want:      "no.1: 0 replays, open; x: 0 replays, open; no.2: 0 replays, open; no.3: 0 replays, open",
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
				t.Errorf("got dead letters %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestRun_SkipsResolved checks that a replay skips a dead letter that an earlier replay has resolved.
func TestRun_SkipsResolved(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "no.1", "x", "no.2")
	f.opts.Letters = domain.DeadLetterSelection{IDs: []int64{1, 2}}
	report, err := f.run(t.Context()) // resolves no.1, and x stays open
	if err != nil || report.Skipped != 0 || report.Received != 2 {
		t.Errorf("first replay: got %d skipped, %d received, error %v; want 0, 2", report.Skipped, report.Received, err)
	}
	report, err = f.run(t.Context())
	if err != nil || report.Skipped != 1 || report.Received != 1 {
		t.Errorf("second replay: got %d skipped, %d received, error %v; want 1, 1", report.Skipped, report.Received, err)
	}
}

// TestRun_SkipsResolvedAfterRead checks that a replay skips a dead letter that another replay resolves after the first replay
// has read it.
func TestRun_SkipsResolvedAfterRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "x", "no.2")
	resolveNo2 := func() { // by another replay of the same database
		other := newFixture(t)
		other.db, other.store = f.db, &flakyStore{Store: f.db.Replays(batchSize)}
		if _, err := other.run(t.Context()); err != nil {
			t.Error(err)
		}
	}
	f.store.replayScript = []replayFunc{replayAfter(resolveNo2)}
	if report, err := f.run(t.Context()); err != nil || report.Skipped != 1 || report.Received != 1 {
		t.Errorf("got %d skipped, %d received, error %v; want 1, 1", report.Skipped, report.Received, err)
	}
}

// TestRun_InvalidSelections checks the error for each kind of invalid selection. An invalid selection must replay nothing.
func TestRun_InvalidSelections(t *testing.T) {
	t.Parallel()
	const (
		existing = 2  // the number of dead letters that the fixture has
		shown    = 20 // the number of missing ids that the error shows
		notShown = 10 // the number of missing ids that the error only counts
	)
	for wantError, tt := range map[string]struct {
		selection domain.DeadLetterSelection
		stream    domain.StreamID
	}{
		"no dead letters are named": {selection: domain.DeadLetterSelection{}, stream: stream},
		"exclude each other":        {selection: domain.DeadLetterSelection{All: true, Reason: "x"}, stream: stream},
		"an id is 1 or more":        {selection: domain.DeadLetterSelection{IDs: []int64{1, 0}}, stream: stream},
		"10001 ids":                 {selection: domain.DeadLetterSelection{IDs: make([]int64, 10_001)}, stream: stream},
		"no dead letter of id 3, 9": {selection: domain.DeadLetterSelection{IDs: []int64{9, 1, 3}}, stream: stream},
		"and 10 more":               {selection: domain.DeadLetterSelection{IDs: idsTo(existing + shown + notShown)}, stream: stream},
		"no such stream":            {selection: domain.DeadLetterSelection{All: true}, stream: domain.StreamID{Source: "other"}},
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

// TestRun_Failures checks that a replay tries again after failures, and how often it replays each dead letter.
func TestRun_Failures(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		replayScript          []replayFunc
		openErrs              []error
		wantLetters           string // see describeLetters
		wantReplayCalls       int    // one for each of the two batches, and one for each batch that was not stored
		wantReceived          int64  // the number of replayed dead letters that the report counts
		wantUnansweredCommits int
	}{
		"two transient failures": {
			replayScript: []replayFunc{failTransiently, failTransiently},
			wantLetters:  eachReplayedOnce, wantReplayCalls: 4, wantReceived: 4,
		},
		"dead letters cannot be read": {
			openErrs:    []error{scriptedError(domain.Transient)},
			wantLetters: eachReplayedOnce, wantReplayCalls: 2, wantReceived: 4,
		},
		"a COMMIT that is not executed": {
			replayScript: []replayFunc{loseCommit},
			wantLetters:  eachReplayedOnce, wantReplayCalls: 3, wantReceived: 4, wantUnansweredCommits: 1,
		},
		// The first batch is stored. The report does not count it, because its answer was lost. The second batch has the dead
		// letters that are still open: x and no.3.
		"an executed COMMIT whose answer is lost": {
			replayScript: []replayFunc{loseAnswer},
			wantLetters:  xReplayedTwice, wantReplayCalls: 2, wantReceived: 2, wantUnansweredCommits: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, "no.1", "x", "no.2", "no.3")
				f.store.replayScript, f.store.openErrs = tt.replayScript, tt.openErrs
				report, err := f.run(t.Context())
				if err != nil || report.Received != tt.wantReceived || report.UnansweredCommits != tt.wantUnansweredCommits {
					t.Errorf("got %d received, %d unanswered COMMITs, error %v; want %d, %d",
						report.Received, report.UnansweredCommits, err, tt.wantReceived, tt.wantUnansweredCommits)
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
				if events := len(f.db.Events()); events != 3 { // no.1, no.2 and no.3
					t.Errorf("got %d events, want 3", events)
				}
				if wantWaits := len(tt.replayScript) + len(tt.openErrs); len(f.seen.waits) != wantWaits {
					t.Errorf("observer got %d waits, want %d", len(f.seen.waits), wantWaits)
				}
			})
		})
	}
}

// TestRun_GivesUpAfterMaxTries checks that a replay ends if every attempt for a batch fails. The report must still count the
// batch before.
func TestRun_GivesUpAfterMaxTries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, "no.1", "x", "no.2", "no.3")
		succeed := replayAfter(func() {})
		failures := slices.Repeat([]replayFunc{failTransiently}, 2*maxTries) // more than the replay may use
		f.store.replayScript = append([]replayFunc{succeed}, failures...)
		report, err := f.run(t.Context())
		if domain.KindOf(err) != domain.Transient || report.Received != batchSize {
			t.Errorf("got %d received, error %v; want %d, Transient", report.Received, err, batchSize)
		}
		if want := 1 + maxTries; f.store.replayCallCount != want {
			t.Errorf("got %d calls of Replay, want %d", f.store.replayCallCount, want)
		}
	})
}

// TestRun_CancelledFinishesBatch checks that the current batch is stored if ctx ends, and that no further batch is read. Run
// returns Stopped only if there are further batches.
func TestRun_CancelledFinishesBatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		letters int
		want    domain.Kind
	}{
		{name: "more batches left", letters: 2*batchSize + 1, want: domain.Stopped},
		{name: "no batch left", letters: batchSize, want: domaintest.NoError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var payloads []string
			for n := range tt.letters {
				payloads = append(payloads, fmt.Sprintf("no.%d", n))
			}
			f := newFixture(t, payloads...)
			ctx, cancel := context.WithCancel(t.Context())
			f.store.replayScript = []replayFunc{replayAfter(cancel)} // ctx ends while the first batch is stored
			report, err := f.run(ctx)
			domaintest.CheckKind(t, err, tt.want)
			if report.Inserted != batchSize || len(f.db.Events()) != batchSize {
				t.Errorf("got %d inserted, %d events stored; want %d", report.Inserted, len(f.db.Events()), batchSize)
			}
		})
	}
}

// TestRun_CancelledWait checks that the wait after a failure ends when ctx ends.
func TestRun_CancelledWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, "no.1")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // shorter than the first wait
		defer cancel()
		f.store.replayScript = []replayFunc{failTransiently, failTransiently}
		if _, err := f.run(ctx); domain.KindOf(err) != domain.Stopped || f.store.replayCallCount != 1 {
			t.Errorf("got %d calls of Replay, error %v; want 1, Stopped", f.store.replayCallCount, err)
		}
	})
}

// TestRun_ParkedDuringReplay checks that a replay ignores dead letters that are parked while it runs.
func TestRun_ParkedDuringReplay(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "no.1", "no.2", "no.3", "no.4")
	f.store.replayScript = []replayFunc{replayAfter(func() { f.park(t, "no.5", "no.6") })}
	if report, err := f.run(t.Context()); err != nil || report.Received != 4 {
		t.Errorf("got %d received, error %v; want 4", report.Received, err)
	}
}

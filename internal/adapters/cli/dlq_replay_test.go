package cli_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/app/replay"
	"github.com/pawldata/pawl/internal/domain"
)

// A replayerFunc is a function that a test runs in place of a replay.
type replayerFunc func(ctx context.Context, options cli.ReplayOptions, observer replay.Observer) (replay.Report, error)

// wiring returns a wiring whose replay calls f.
func (f replayerFunc) wiring() cli.Wiring {
	w := newEmptyWiring()
	w.CheckSchema = func(context.Context, string) error { return nil }
	w.Replay = func(_ context.Context, _ cli.Settings, options cli.ReplayOptions, o replay.Observer) (cli.Replayer, func(), error) {
		return scriptedReplay{run: f, options: options, observer: o}, func() {}, nil
	}
	return w
}

// A scriptedReplay is a cli.Replayer that calls run with options and observer.
type scriptedReplay struct {
	run      replayerFunc
	options  cli.ReplayOptions
	observer replay.Observer
}

func (r scriptedReplay) Run(ctx context.Context) (replay.Report, error) {
	return r.run(ctx, r.options, r.observer)
}

// fullReplayReport returns a report with a value in every field. One of its reasons contains a control sequence.
func fullReplayReport() replay.Report {
	return replay.Report{
		Stream:      domain.StreamID{Source: "s"},
		Counts:      domain.Counts{Received: 11_000 + 45 + 1300, Inserted: 11_000, Duplicate: 45, Parked: 1300},
		ParkedAgain: map[string]int64{"bad timestamp": 1100, "conflict": 100, "\x1b[2J": 100},
		Skipped:     2, UnansweredCommits: 1,
	}
}

// TestDlqReplay compares the output of `pawl dlq replay` with golden files.
func TestDlqReplay(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{"dlq_replay": "dlq replay --all", "dlq_replay_json": "dlq replay --json --all"} {
		w := replayerFunc(func(context.Context, cli.ReplayOptions, replay.Observer) (replay.Report, error) {
			return fullReplayReport(), nil
		}).wiring()
		code, stdout, stderr := pawl(t, validEnv("API_KEY=", "API_BASE_URL="), w, strings.Fields(args)...)
		if code != cli.ExitDone || stderr != "" {
			t.Errorf("%s: got exit %d and error %q, want exit 0 and no error", args, code, stderr)
		}
		cli.Golden(t, name, stdout)
	}
}

// TestDlqReplay_Selection checks which dead letters the arguments select, and that the options have the retry policy.
func TestDlqReplay_Selection(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]domain.DeadLetterSelection{
		"dlq replay 3 17":                     {IDs: []int64{3, 17}},
		"dlq replay --reason not_JSON":        {Reason: "not_JSON"},
		"dlq replay --all --stream datasync2": {All: true},
	} {
		w := replayerFunc(func(_ context.Context, options cli.ReplayOptions, _ replay.Observer) (replay.Report, error) {
			got := options.Letters
			if !slices.Equal(got.IDs, want.IDs) || got.Reason != want.Reason || got.All != want.All {
				t.Errorf("%s: got selection %+v, want %+v", args, got, want)
			}
			const defaultOutage = 5 * time.Minute
			if options.Outage.MaxTime != defaultOutage {
				t.Errorf("%s: got an outage of up to %s, want %s", args, options.Outage.MaxTime, defaultOutage)
			}
			return replay.Report{}, nil
		}).wiring()
		w.Reader = new(fakeLetters).wiring().Reader
		code, stdout, stderr := pawl(t, validEnv(), w, strings.Fields(args)...)
		wantStdout := "replayed 0 = 0 stored + 0 duplicate + 0 parked again\n"
		if want.Reason != "" {
			wantStdout = "no such open dead letters\n"
		}
		if code != cli.ExitDone || !strings.HasSuffix(stdout, wantStdout) {
			t.Errorf("%s: got exit %d and output %q, want exit 0 and %q: %s", args, code, stdout, wantStdout, stderr)
		}
	}
}

// TestDlqReplay_NoSuchReason checks that a replay of a reason that no open dead letter has names the reasons that exist, as JSON, too.
func TestDlqReplay_NoSuchReason(t *testing.T) {
	t.Parallel()
	w := replayerFunc(func(context.Context, cli.ReplayOptions, replay.Observer) (replay.Report, error) {
		return replay.Report{}, nil
	}).wiring()
	w.Reader = (&fakeLetters{letters: []domain.DeadLetter{{Why: domain.Rejection{Reason: "bad UUID"}}}}).wiring().Reader
	for args, want := range map[string]string{
		"dlq replay --reason foo":        "bad UUID",
		"dlq replay --reason foo --json": `"other_reasons":[{"reason":"bad UUID","count":1000`,
	} {
		code, stdout, stderr := pawl(t, validEnv(), w, strings.Fields(args)...)
		if code != cli.ExitDone || !strings.Contains(stdout, want) {
			t.Errorf("%s: got exit %d and %s%s, want exit 0 and %q", args, code, stdout, stderr, want)
		}
	}
}

// TestDlqReplay_Stopped checks that a stopped replay prints its report, unless it replayed nothing.
func TestDlqReplay_Stopped(t *testing.T) {
	t.Parallel()
	stopped := &domain.Error{Kind: domain.Stopped, Op: "replay dead letters", Err: errors.New("as scripted")}
	for _, tt := range []struct {
		report replay.Report
		prints string // the beginning of the output; empty if there must be none
	}{
		{report: fullReplayReport(), prints: "stream s: replayed 12,345 = "},
		{report: replay.Report{}, prints: ""},
	} {
		w := replayerFunc(func(context.Context, cli.ReplayOptions, replay.Observer) (replay.Report, error) {
			return tt.report, stopped
		}).wiring()
		code, stdout, stderr := pawl(t, validEnv(), w, "dlq", "replay", "--all")
		if code != cli.ExitAgain || !strings.HasSuffix(stderr, "run it again to replay the rest [stopped]\n") {
			t.Errorf("got exit %d and error %q, want exit %d and the hint to run it again", code, stderr, cli.ExitAgain)
		}
		if tt.prints == "" && stdout != "" {
			t.Errorf("got output %q, want none", stdout)
		}
		if !strings.HasPrefix(stdout, tt.prints) {
			t.Errorf("got output %q, want %q at its beginning", stdout, tt.prints)
		}
	}
}

// TestDlqReplay_Terminal compares the content of the terminal at moments of a replay with a golden file. The replay of the first batch
// ends after 1 s, and that of the second after 2 s.
func TestDlqReplay_Terminal(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	synctest.Test(t, func(t *testing.T) {
		w := replayerFunc(func(_ context.Context, _ cli.ReplayOptions, o replay.Observer) (replay.Report, error) {
			o.Surveyed(domain.SelectionCount{Open: 1200})
			time.Sleep(time.Second)
			o.Replayed(replay.Report{Counts: domain.Counts{Received: 500, Inserted: 400, Parked: 100}})
			time.Sleep(time.Second)
			return replay.Report{}, nil
		}).wiring()
		wait := c.start(t.Context(), w, []string{"dlq", "replay", "--all"}, "TERM=xterm", "NO_COLOR=1")
		c.snapshotAt(0.9, "the first batch")
		c.snapshotAt(1.8, "the second batch")
		if code, _ := wait(); code != cli.ExitDone {
			t.Errorf("got exit %d, want %d", code, cli.ExitDone)
		}
		c.snapshot("at the end")
	})
	cli.Golden(t, "dlq_replay_terminal", c.transcript.String())
}

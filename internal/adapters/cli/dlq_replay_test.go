package cli_test

import (
	"bytes"
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
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// A replayerFunc is a replay that a test scripts.
type replayerFunc func(ctx context.Context, options cli.ReplayOptions, observer replay.Observer) (replay.Report, error)

func (f replayerFunc) wiring() cli.Wiring {
	w := newWiring(emptySource{}, domaintest.NewMemDatabase(), new(cli.Settings))
	w.Replay = func(_ context.Context, _ cli.Settings, options cli.ReplayOptions, o replay.Observer) (cli.Replayer, func(), error) {
		return scriptedReplay{f, options, o}, func() {}, nil
	}
	return w
}

type scriptedReplay struct {
	run      replayerFunc
	options  cli.ReplayOptions
	observer replay.Observer
}

func (r scriptedReplay) Run(ctx context.Context) (replay.Report, error) {
	return r.run(ctx, r.options, r.observer)
}

func fullReplayReport() replay.Report {
	return replay.Report{
		Stream: domain.StreamID{Source: "s"}, Counts: domain.Counts{Received: 12_345, Inserted: 11_000, Duplicate: 45, Parked: 1300},
		Again: map[string]int64{"bad timestamp": 1100, "conflict": 100, "\x1b[2J": 100}, Skipped: 2, Unanswered: 1,
	}
}

func TestDlqReplay(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{"dlq_replay": "dlq replay --all", "dlq_replay_json": "dlq replay --json --all"} {
		w := replayerFunc(func(context.Context, cli.ReplayOptions, replay.Observer) (replay.Report, error) {
			return fullReplayReport(), nil
		}).wiring()
		code, stdout, stderr := pawl(t, validEnv("API_KEY=", "API_BASE_URL="), w, strings.Fields(args)...)
		if code != cli.ExitDone || stderr != "" {
			t.Errorf("exit %d: %s", code, stderr)
		}
		cli.Golden(t, name, stdout)
	}
}

func TestDlqReplay_Selection(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]domain.DeadLetterSelection{
		"dlq replay 3 17":                     {IDs: []int64{3, 17}},
		"dlq replay --reason not_JSON":        {Reason: "not_JSON"},
		"dlq replay --all --stream datasync2": {All: true},
	} {
		w := replayerFunc(func(_ context.Context, options cli.ReplayOptions, _ replay.Observer) (replay.Report, error) {
			got := options.Letters
			if !slices.Equal(got.IDs, want.IDs) || got.Reason != want.Reason || got.All != want.All || options.Retry.Tries != 5 {
				t.Errorf("%s: got options %+v", args, options)
			}
			return replay.Report{}, nil
		}).wiring()
		code, stdout, stderr := pawl(t, validEnv(), w, strings.Fields(args)...)
		if code != cli.ExitDone || !strings.Contains(stdout, "replayed 0 = 0 stored + 0 duplicate + 0 parked again\n") {
			t.Errorf("%s: exit %d, %s%s", args, code, stdout, stderr)
		}
	}
}

// TestDlqReplay_Stopped checks that a replay that is stopped reports what it did, if it did anything.
func TestDlqReplay_Stopped(t *testing.T) {
	t.Parallel()
	stopped := &domain.Error{Kind: domain.Stopped, Op: "replay dead letters", Err: errors.New("as scripted")}
	for _, tt := range []struct {
		report replay.Report
		prints string
	}{{fullReplayReport(), "stream s: replayed 12,345 = "}, {replay.Report{}, ""}} {
		w := replayerFunc(func(context.Context, cli.ReplayOptions, replay.Observer) (replay.Report, error) {
			return tt.report, stopped
		}).wiring()
		code, stdout, stderr := pawl(t, validEnv(), w, "dlq", "replay", "--all")
		if code != cli.ExitAgain || !strings.HasSuffix(stderr, "run it again to replay the rest\n") ||
			!strings.HasPrefix(stdout, tt.prints) || (stdout == "") != (tt.prints == "") {
			t.Errorf("exit %d, %s", code, stdout)
		}
	}
}

func TestDlqReplay_Terminal(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan int, 1)
		go func() {
			ended <- cli.Main(t.Context(), cli.Process{
				Args: []string{"dlq", "replay", "--all"}, Environ: validEnv("TERM=xterm", "NO_COLOR=1"), Stdout: &bytes.Buffer{}, Stderr: c.slave,
			}, replayerFunc(func(_ context.Context, _ cli.ReplayOptions, o replay.Observer) (replay.Report, error) {
				o.Surveyed(domain.SelectionCount{Open: 1200})
				time.Sleep(time.Second)
				o.Replayed(replay.Report{Counts: domain.Counts{Received: 500, Inserted: 400, Parked: 100}})
				time.Sleep(time.Second)
				return replay.Report{}, nil
			}).wiring())
		}()
		for _, moment := range []string{"the first batch", "the second batch"} {
			time.Sleep(900 * time.Millisecond)
			c.snapshot(moment)
		}
		if code := <-ended; code != cli.ExitDone {
			t.Errorf("exit %d", code)
		}
		c.snapshot("at the end")
	})
	cli.Golden(t, "dlq_replay_terminal", c.transcript.String())
}

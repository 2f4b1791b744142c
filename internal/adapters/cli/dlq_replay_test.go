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

// A replayerFunc is a replay as a test scripts it.
type replayerFunc func(ctx context.Context, asked cli.ReplayOptions, observer replay.Observer) (replay.Report, error)

func (f replayerFunc) wiring() cli.Wiring {
	w := wiring(oneEmptyPage{}, domaintest.NewMemDatabase(), new(cli.Settings))
	w.Replay = func(_ context.Context, _ cli.Settings, asked cli.ReplayOptions, o replay.Observer) (cli.Replayer, func(), error) {
		return replaying{f, asked, o}, func() {}, nil
	}
	return w
}

type replaying struct {
	run      replayerFunc
	asked    cli.ReplayOptions
	observer replay.Observer
}

func (r replaying) Run(ctx context.Context) (replay.Report, error) {
	return r.run(ctx, r.asked, r.observer)
}

func replayed() replay.Report {
	return replay.Report{
		Stream: domain.StreamID{Source: "s"}, Counts: domain.Counts{Received: 12_345, Inserted: 11_000, Duplicate: 45, Parked: 1300},
		Again: map[string]int64{"bad timestamp": 1100, "conflict": 100, "\x1b[2J": 100}, Skipped: 2, Unanswered: 1,
	}
}

func TestAReplayIsTold(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{"dlq_replay": "dlq replay --all", "dlq_replay_json": "dlq replay --json --all"} {
		w := replayerFunc(func(context.Context, cli.ReplayOptions, replay.Observer) (replay.Report, error) {
			return replayed(), nil
		}).wiring()
		code, stdout, stderr := pawl(t, sound("API_KEY=", "API_BASE_URL="), w, strings.Fields(args)...)
		if code != cli.ExitDone || stderr != "" {
			t.Errorf("exit %d: %s", code, stderr)
		}
		cli.Golden(t, name, stdout)
	}
}

func TestWhatIsReplayed(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]domain.DeadLetterSelection{
		"dlq replay 3 17":                     {IDs: []int64{3, 17}},
		"dlq replay --reason not_JSON":        {Reason: "not_JSON"},
		"dlq replay --all --stream datasync2": {All: true},
	} {
		w := replayerFunc(func(_ context.Context, asked cli.ReplayOptions, _ replay.Observer) (replay.Report, error) {
			if got := asked.Letters; !slices.Equal(got.IDs, want.IDs) || got.Reason != want.Reason || got.All != want.All || asked.Retry.Tries != 5 {
				t.Errorf("%s asks for %+v", args, asked)
			}
			return replay.Report{}, nil
		}).wiring()
		code, stdout, stderr := pawl(t, sound(), w, strings.Fields(args)...)
		if code != cli.ExitDone || !strings.Contains(stdout, "replayed 0 = 0 stored + 0 duplicate + 0 parked again\n") {
			t.Errorf("%s: exit %d, %s%s", args, code, stdout, stderr)
		}
	}
}

// TestAReplayThatEndsEarly tells what it did, if it did anything.
func TestAReplayThatEndsEarly(t *testing.T) {
	t.Parallel()
	stopped := &domain.Error{Kind: domain.Stopped, Op: "replay dead letters", Err: errors.New("told to")}
	for _, tt := range []struct {
		report replay.Report
		prints string
	}{{replayed(), "stream s: replayed 12,345 = "}, {replay.Report{}, ""}} {
		w := replayerFunc(func(context.Context, cli.ReplayOptions, replay.Observer) (replay.Report, error) {
			return tt.report, stopped
		}).wiring()
		code, stdout, stderr := pawl(t, sound(), w, "dlq", "replay", "--all")
		if code != cli.ExitAgain || !strings.HasSuffix(stderr, "run it again to replay the rest\n") || !strings.HasPrefix(stdout, tt.prints) || (stdout == "") != (tt.prints == "") {
			t.Errorf("exit %d, %s", code, stdout)
		}
	}
}

func TestAReplayOnATerminal(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan int, 1)
		go func() {
			ended <- cli.Main(t.Context(), cli.Process{
				Args: []string{"dlq", "replay", "--all"}, Environ: sound("TERM=xterm", "NO_COLOR=1"), Stdout: &bytes.Buffer{}, Stderr: c.theirs,
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
			c.look(moment)
		}
		if code := <-ended; code != cli.ExitDone {
			t.Errorf("exit %d", code)
		}
		c.look("at the end")
	})
	cli.Golden(t, "replaying", c.transcript.String())
}

package cli_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/domain"
)

// A fakeStatusReader is a cli.Reader with these streams, in this order. Its methods for dead letters and drift panic.
type fakeStatusReader struct {
	cli.Reader

	all []domain.StreamStatus
}

func (r fakeStatusReader) Streams(context.Context) (streams []domain.StreamID, err error) {
	for _, status := range r.all {
		streams = append(streams, status.Checkpoint.Stream)
	}
	return streams, nil
}

func (r fakeStatusReader) Status(_ context.Context, stream domain.StreamID) (domain.StreamStatus, error) {
	for _, status := range r.all {
		if status.Checkpoint.Stream == stream {
			return status, nil
		}
	}
	return domain.StreamStatus{}, &domain.Error{Kind: domain.Invalid, Op: "read status", Err: fmt.Errorf("no stream named %s", stream)}
}

// wiring returns a wiring whose Reader is r.
func (r fakeStatusReader) wiring() cli.Wiring {
	w := newEmptyWiring()
	w.Reader = func(context.Context, cli.Settings) (cli.Reader, func(), error) { return r, func() {}, nil }
	return w
}

// statusNow is the time at which the statuses of the tests were read.
var statusNow = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant that Go cannot have

// newStatus returns the status of a stream that a runner has read to a part, changed by the changes.
func newStatus(stream string, changes ...func(*domain.StreamStatus)) domain.StreamStatus {
	s := domain.StreamStatus{
		StreamReport: domain.StreamReport{
			Checkpoint: domain.Checkpoint{
				Stream: domain.StreamID{Source: stream}, SourceURL: "https://api.example/v1", Epoch: 1, Seq: 41,
				Position: domain.Position{Pass: 1, Offset: 41_000, AnnouncedLast: domain.Total{N: 100_000, Known: true}},
				Counts:   domain.Counts{Received: 41_000, Inserted: 40_990, Duplicate: 4, Parked: 6}, UpdatedAt: statusNow.Add(-3 * time.Minute),
			},
			Pages: 41, Traffic: domain.Traffic{Requests: 44, Retries: 1, RateLimited: 2},
		},
		Runner: &domain.RunnerReport{
			RunnerIdentity: domain.RunnerIdentity{Host: "web1", PID: 4711, Version: "v1.2.3"},
			RunnerState:    domain.RunnerState{Activity: domain.ActivityWorking},
			Since:          statusNow.Add(-time.Hour), AliveAt: statusNow.Add(-2 * time.Second), HasLock: true,
		},
		LastPages: []domain.LedgerPage{
			{Seq: 41, Pass: 1, Counts: domain.Counts{Received: 1000, Inserted: 998, Parked: 2}, CommittedAt: statusNow.Add(-3 * time.Minute)},
			{Seq: 40, Pass: 1, Counts: domain.Counts{Received: 1000, Inserted: 1000}, CommittedAt: statusNow.Add(-4 * time.Minute)},
		},
		Now: statusNow,
	}
	for _, change := range changes {
		change(&s)
	}
	return s
}

// waiting makes the runner wait for the rate limit after an error.
func waiting(s *domain.StreamStatus) {
	s.Runner.RunnerState = domain.RunnerState{
		Activity: domain.ActivityRateLimited, Until: statusNow.Add(20 * time.Second),
		LastError: "fetch page: " + hostile, LastErrorAt: statusNow.Add(-5 * time.Minute),
	}
	s.Runner.NotBefore = s.Runner.Until
}

// needsAttention adds dead letters and drift.
func needsAttention(s *domain.StreamStatus) {
	s.Open = []domain.ReasonCount{{Reason: "bad timestamp", Count: 4}, {Reason: "conflict", Count: 2}}
	s.Drift = domain.DriftTotal{Entries: 2, Records: 11}
}

// failed makes the runner end with an error.
func failed(s *domain.StreamStatus) {
	s.Runner.Activity = domain.ActivityFailed
	s.Runner.LastError, s.Runner.LastErrorAt = "fetch page: unauthorized", s.Runner.AliveAt
}

// gone makes the runner silent.
func gone(s *domain.StreamStatus) { s.Runner.AliveAt = statusNow.Add(-domain.RunnerSilentAfter) }

// unlocked takes away the runner's lock.
func unlocked(s *domain.StreamStatus) { s.Runner.HasLock = false }

// complete completes the pass. The runner has ended because of a rate limit that still holds.
func complete(s *domain.StreamStatus) {
	s.Checkpoint.Done, s.Checkpoint.Offset = true, 100_000
	s.Runner.Activity, s.Runner.NotBefore = domain.ActivityEnded, statusNow.Add(time.Hour)
}

// empty takes away all pages and the runner.
func empty(s *domain.StreamStatus) {
	s.Checkpoint.Seq, s.Checkpoint.Position, s.Checkpoint.Counts = 0, domain.Position{Pass: 1}, domain.Counts{}
	s.Pages, s.Traffic, s.LastPages, s.Runner = 0, domain.Traffic{}, nil, nil
}

// TestStatus compares the output of `pawl status` with golden files.
func TestStatus(t *testing.T) {
	t.Parallel()
	several := []domain.StreamStatus{
		newStatus("a", waiting, needsAttention), newStatus("b", failed), newStatus("c", gone), newStatus("d", complete), newStatus("e", empty),
		newStatus("f"),
	}
	for name, tt := range map[string]struct {
		all  []domain.StreamStatus
		args []string
	}{
		"status_waiting":      {all: []domain.StreamStatus{newStatus("datasync", waiting, needsAttention)}},
		"status_failed":       {all: []domain.StreamStatus{newStatus("datasync", failed)}},
		"status_gone":         {all: []domain.StreamStatus{newStatus("datasync", gone)}},
		"status_unlocked":     {all: []domain.StreamStatus{newStatus("datasync", unlocked)}},
		"status_complete":     {all: []domain.StreamStatus{newStatus("datasync", complete)}},
		"status_empty":        {all: []domain.StreamStatus{newStatus("datasync", empty)}},
		"status_only":         {all: []domain.StreamStatus{newStatus("other")}},
		"status_several":      {all: several},
		"status_one":          {all: several, args: []string{"--stream", "b"}},
		"status_json":         {all: []domain.StreamStatus{newStatus("datasync", waiting, needsAttention)}, args: []string{"--json"}},
		"status_several_json": {all: several[3:5], args: []string{"--json"}},
	} {
		code, stdout, stderr := pawl(t, validEnv("API_KEY=", "API_BASE_URL="), fakeStatusReader{all: tt.all}.wiring(),
			append([]string{"status"}, tt.args...)...)
		if code != cli.ExitDone || stderr != "" {
			t.Errorf("%s: got exit %d and error %q, want exit 0 and no error", name, code, stderr)
		}
		cli.Golden(t, name, stdout)
	}
}

// TestStatus_NoStream checks that a stream that is not in the database is an error, also if no stream is.
func TestStatus_NoStream(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"status"}, {"status", "--stream", "other"}} {
		if code, stdout, _ := pawl(t, validEnv(), fakeStatusReader{}.wiring(), args...); code != cli.ExitSettings || stdout != "" {
			t.Errorf("%v: got exit %d and output %q, want exit %d and none", args, code, stdout, cli.ExitSettings)
		}
	}
}

package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/creack/pty"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/domain"
)

// A fakeStatusReader is a cli.Reader with these streams, in this order. Its methods for dead letters and drift panic.
type fakeStatusReader struct {
	cli.Reader

	all          []domain.StreamStatus
	failedStarts []domain.FailedStart
}

func (r fakeStatusReader) FailedStarts(context.Context) ([]domain.FailedStart, error) {
	return r.failedStarts, nil
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

// TestStatusCheck checks the line and the exit code of --check.
func TestStatusCheck(t *testing.T) {
	t.Parallel()
	one := func(changes ...func(*domain.StreamStatus)) []domain.StreamStatus {
		return []domain.StreamStatus{newStatus("datasync", changes...)}
	}
	for _, tt := range []struct {
		name string
		all  []domain.StreamStatus
		args string
		code int
		want string // the whole line
	}{
		{
			name: "a live runner", all: one(waiting, needsAttention), code: cli.ExitDone,
			want: "well: datasync: 41 % read, 41,000 of 100,000 records; runner waiting for the rate limit; 6 open dead letters",
		},
		{
			name: "limits that are kept", all: one(needsAttention), args: "--max-age 3m --max-parked 6", code: cli.ExitDone,
			want: "well: datasync: 41 % read, 41,000 of 100,000 records; runner working; 6 open dead letters",
		},
		{
			name: "a complete stream", all: one(complete), code: cli.ExitDone,
			want: "well: datasync: complete, 100,000 of 100,000 records; runner ended; 0 open dead letters",
		},
		{name: "no runner yet", all: one(empty), code: cli.ExitDone, want: "well: datasync: nothing stored yet; runner none; 0 open dead letters"},
		{
			name: "old", all: one(), args: "--max-age 2m59s", code: cli.ExitData,
			want: "not well: datasync: no page was stored since 2026-11-28 11:57:00 (3 minutes ago), more than --max-age 2m59s",
		},
		{
			name: "dead letters", all: one(needsAttention), args: "--max-parked 5", code: cli.ExitData,
			want: "not well: datasync: 6 open dead letters, more than --max-parked 5",
		},
		{
			name: "failed", all: one(failed), code: cli.ExitData,
			want: "not well: datasync: the last run failed at 2026-11-28 11:59:58 (2 seconds ago): fetch page: unauthorized",
		},
		{
			name: "gone", all: one(gone), code: cli.ExitData,
			want: "not well: datasync: the runner (pid 4711 on web1) is gone or frozen: no report since 2026-11-28 11:59:40 (20 seconds ago)",
		},
		{
			name: "one of two, with two problems", all: append(one(), newStatus("b", failed, needsAttention)), args: "--max-parked 0", code: cli.ExitData,
			want: "not well: b: the last run failed at 2026-11-28 11:59:58 (2 seconds ago): fetch page: unauthorized; " +
				"6 open dead letters, more than --max-parked 0",
		},
		{
			name: "two", all: append(one(), newStatus("b", complete)), code: cli.ExitDone,
			want: "well: datasync: 41 % read, 41,000 of 100,000 records; runner working; 0 open dead letters | " +
				"b: complete, 100,000 of 100,000 records; runner ended; 0 open dead letters",
		},
	} {
		args := append([]string{"status", "--check"}, strings.Fields(tt.args)...)
		code, stdout, stderr := pawl(t, validEnv(), fakeStatusReader{all: tt.all}.wiring(), args...)
		if code != tt.code || stdout != tt.want+"\n" || stderr != "" {
			t.Errorf("%s: got exit %d, output %q and error %q; want exit %d and output %q", tt.name, code, stdout, stderr, tt.code, tt.want)
		}
	}
}

// TestStatus_WrongFlags checks that flags that make no sense together are an error that names one of them.
func TestStatus_WrongFlags(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--max-age 2h":                "--max-age",
		"--max-parked 0":              "--max-parked",
		"--check --max-age 0s":        "--max-age",
		"--check --max-parked=-1":     "--max-parked",
		"--check --json":              "--check",
		"--check --watch":             "--check",
		"--check --max-age yesterday": "--max-age",
	} {
		code, stdout, stderr := pawl(t, validEnv(), fakeStatusReader{all: []domain.StreamStatus{newStatus("datasync")}}.wiring(),
			append([]string{"status"}, strings.Fields(args)...)...)
		if code != cli.ExitSettings || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: got exit %d, output %q and error %q; want exit %d and %q in the error", args, code, stdout, stderr, cli.ExitSettings, want)
		}
	}
}

// A changingReader returns other results from each call of Status. After the last one, it ends the context of the program.
type changingReader struct {
	fakeStatusReader

	errs *[]error // of the calls; nil for a status
	stop context.CancelFunc
}

func (r changingReader) Status(ctx context.Context, stream domain.StreamID) (domain.StreamStatus, error) {
	err := (*r.errs)[0]
	*r.errs = (*r.errs)[1:]
	if len(*r.errs) == 0 {
		r.stop()
	}
	if err != nil {
		return domain.StreamStatus{}, err
	}
	return r.fakeStatusReader.Status(ctx, stream)
}

// TestStatusWatch checks that --watch prints a status every 2 s, also after a database that did not answer, and that a signal is its normal
// end.
func TestStatusWatch(t *testing.T) {
	t.Parallel()
	down := &domain.Error{Kind: domain.Transient, Op: "read status", Err: errors.New("connection refused")}
	wrong := &domain.Error{Kind: domain.Invalid, Op: "read status", Err: errors.New("no such database")}
	for _, tt := range []struct {
		name      string
		errs      []error
		args      []string
		code      int
		statuses  int // the number of statuses in the output
		wantError string
	}{
		{name: "three readings", errs: []error{nil, nil, nil}, code: cli.ExitDone, statuses: 3},
		{name: "JSON", errs: []error{nil, nil}, args: []string{"--json"}, code: cli.ExitDone, statuses: 2},
		{name: "the database is down for a moment", errs: []error{nil, down, nil}, code: cli.ExitDone, statuses: 2},
		{name: "an error that stays", errs: []error{nil, wrong}, code: cli.ExitSettings, statuses: 1, wantError: "no such database"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				readings := len(tt.errs)
				reader := changingReader{fakeStatusReader{all: []domain.StreamStatus{newStatus("datasync")}}, &tt.errs, stop}
				w := newEmptyWiring()
				w.Reader = func(context.Context, cli.Settings) (cli.Reader, func(), error) { return reader, func() {}, nil }
				var stdout, stderr bytes.Buffer
				began := time.Now()
				code := cli.Main(ctx, cli.Process{
					Args: append([]string{"status", "--watch"}, tt.args...), Environ: validEnv(), Stdout: &stdout, Stderr: &stderr,
				}, w)
				if took, want := time.Since(began), time.Duration(readings-1)*2*time.Second; took != want {
					t.Errorf("got the end after %s, want after %s", took, want)
				}
				statuses := strings.Count(stdout.String(), "datasync")
				if code != tt.code || statuses != tt.statuses || !strings.Contains(stderr.String(), tt.wantError) ||
					tt.wantError == "" && stderr.Len() > 0 {
					t.Errorf("got exit %d, %d statuses and error %q; want exit %d, %d statuses and error %q; output:\n%s",
						code, statuses, stderr.String(), tt.code, tt.statuses, tt.wantError, stdout.String())
				}
				if strings.Contains(stdout.String(), "\x1b") {
					t.Error("got control sequences in a file, want none")
				}
			})
		})
	}
}

// TestStatusWatch_Terminal checks that on a terminal each status erases the screen before.
func TestStatusWatch_Terminal(t *testing.T) {
	t.Parallel()
	master, slave, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo terminal: %v", err)
	}
	defer master.Close() //nolint:errcheck // a test's terminal
	ctx, stop := context.WithCancel(t.Context())
	reader := changingReader{fakeStatusReader{all: []domain.StreamStatus{newStatus("datasync")}}, &[]error{nil}, stop}
	w := newEmptyWiring()
	w.Reader = func(context.Context, cli.Settings) (cli.Reader, func(), error) { return reader, func() {}, nil }
	var stderr bytes.Buffer
	code := cli.Main(ctx, cli.Process{Args: []string{"status", "--watch"}, Environ: validEnv("TERM=xterm"), Stdout: slave, Stderr: &stderr}, w)
	if code != cli.ExitDone {
		t.Fatalf("got exit %d, want 0: %s", code, stderr.String())
	}
	shown := make([]byte, 4096)
	n, err := master.Read(shown)
	if want := "\x1b[H\x1b[2Jstream datasync: 41 % read"; err != nil || !strings.HasPrefix(string(shown[:n]), want) {
		t.Errorf("got %q, %v, want it to begin with %q", shown[:n], err, want)
	}
	_ = slave.Close()
}

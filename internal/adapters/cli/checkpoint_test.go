package cli_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/domain"
)

// claimed gives the runner the claim of the checkpoint.
func claimed(s *domain.StreamStatus) {
	s.Checkpoint.Token = domain.UUID{1}
	s.Runner.Token = s.Checkpoint.Token
}

// atHostileCursor sets a long cursor that would control a terminal.
func atHostileCursor(s *domain.StreamStatus) {
	s.Checkpoint.Cursor = domain.Cursor("\x1b[2J" + strings.Repeat("c", 100))
	s.Checkpoint.CursorExpiresAt = statusNow.Add(time.Minute)
	s.Checkpoint.AnnouncedFirst = domain.Total{N: 99_000, Known: true}
	s.Checkpoint.LastEventAt = statusNow.Add(-24 * time.Hour)
}

// wasReset moves the checkpoint to the head.
func wasReset(s *domain.StreamStatus) {
	s.Checkpoint.Position = domain.Position{Pass: 2, MaxOffset: 41_000}
	s.Checkpoint.Epoch++
	s.Checkpoint.Token = domain.UUID{2}
}

// TestCheckpointShow compares the output of `pawl checkpoint show` with golden files.
func TestCheckpointShow(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]domain.StreamStatus{
		"checkpoint":          newStatus("datasync", claimed, atHostileCursor),
		"checkpoint_reset":    newStatus("datasync", claimed, wasReset),
		"checkpoint_complete": newStatus("datasync", claimed, complete),
		"checkpoint_empty":    newStatus("datasync", empty),
	} {
		w := fakeStatusReader{all: []domain.StreamStatus{status}}.wiring()
		w.CheckSchema = func(context.Context, string) error { return nil }
		var got strings.Builder
		for _, args := range [][]string{{"checkpoint", "show"}, {"checkpoint", "show", "--json"}} {
			code, stdout, stderr := pawl(t, validEnv("TZ=UTC"), w, args...)
			if code != cli.ExitDone || stderr != "" {
				t.Errorf("%s: got exit %d and error %q, want exit 0 and no error", name, code, stderr)
			}
			got.WriteString(stdout)
		}
		cli.Golden(t, name, got.String())
	}
}

// A fakeResetter is a cli.Admin that resets checkpoints.
type fakeResetter struct {
	cli.Admin

	reset domain.CheckpointReset
	err   error
	fails int // the number of calls that return err; 0 means all
	calls int
}

func (f *fakeResetter) ResetCheckpoint(context.Context, domain.StreamID) (domain.CheckpointReset, error) {
	f.calls++
	if f.fails > 0 && f.calls > f.fails {
		return f.reset, nil
	}
	return f.reset, f.err
}

// wiring returns a wiring whose Admin is f.
func (f *fakeResetter) wiring() cli.Wiring {
	w := newEmptyWiring()
	w.Admin = func(context.Context, cli.Settings) (cli.Admin, func(), error) { return f, func() {}, nil }
	w.CheckSchema = func(context.Context, string) error { return nil }
	return w
}

// newReset returns the reset of a stream in the middle of its first pass.
func newReset() domain.CheckpointReset {
	before := newStatus("datasync", atHostileCursor)
	after := newStatus("datasync", wasReset)
	return domain.CheckpointReset{Before: before.Checkpoint, After: after.Checkpoint}
}

// TestCheckpointReset checks when a reset is confirmed.
func TestCheckpointReset(t *testing.T) {
	t.Parallel()
	const question = "Type the stream's name to go on: "
	for _, tt := range []struct {
		name   string
		args   []string
		answer string
		isPipe bool // standard input is a pipe
		code   int
		asks   bool
		stderr string
	}{
		{name: "the name", answer: "datasync\n", asks: true},
		{name: "another name", answer: "datasink\n", asks: true, code: cli.ExitSettings, stderr: "the answer is not datasync, so nothing was changed"},
		{name: "yes instead of the name", answer: "y\n", asks: true, code: cli.ExitSettings, stderr: "nothing was changed"},
		{name: "the end of the input", answer: "\x04", asks: true, code: cli.ExitSettings, stderr: "the input has ended"},
		{name: "a pipe", isPipe: true, code: cli.ExitSettings, stderr: "nobody has confirmed it, so nothing was changed; add --yes"},
		{name: "a pipe and --yes", isPipe: true, args: []string{"--yes"}},
		{name: "a terminal and --yes", args: []string{"--yes"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			master, slave := openTerminal(t)
			if _, err := master.WriteString(tt.answer); err != nil {
				t.Fatal(err)
			}
			admin := &fakeResetter{reset: newReset()}
			var stdout bytes.Buffer
			process := cli.Process{
				Args: append([]string{"checkpoint", "reset"}, tt.args...), Environ: validEnv(), Stdin: slave, Stdout: &stdout, Stderr: slave,
			}
			if tt.isPipe {
				process.Stdin = strings.NewReader("datasync\n")
			}
			code := cli.Main(t.Context(), process, admin.wiring())
			stderr := readTerminal(t, master, slave)
			if code != tt.code || strings.Contains(stderr, question) != tt.asks || !strings.Contains(stderr, tt.stderr) {
				t.Errorf("got exit %d, want %d; want the question: %t, and %q; error output %q", code, tt.code, tt.asks, tt.stderr, stderr)
			}
			wantCalls := 0
			if tt.code == cli.ExitDone {
				wantCalls = 1
			}
			if admin.calls != wantCalls {
				t.Errorf("got %d resets, want %d", admin.calls, wantCalls)
			}
			const done = "stream datasync: the next run reads from the first page, in pass 2; it was in pass 1, at position 41,000.\n" +
				"The events stay (40,990), and count as duplicates when the API returns them again.\n"
			if wantCalls == 1 && stdout.String() != done {
				t.Errorf("got output %q, want %q", stdout.String(), done)
			}
		})
	}
}

// TestCheckpointReset_Results checks what a reset prints that changes nothing, and how it ends after an error.
func TestCheckpointReset_Results(t *testing.T) {
	t.Parallel()
	atHead := newStatus("datasync", wasReset).Checkpoint
	outdated := &domain.Error{Kind: domain.Invalid, Op: "check schema", Err: errors.New("migrations not applied"), Remedy: domain.MigrateAsOwner}
	fenced := &domain.Error{
		Kind: domain.Fenced, Op: "reset checkpoint", Err: errors.New("pid 4711 on web1"), Remedy: domain.WaitForRunner, Holder: domain.HolderAlive,
	}
	leased := *fenced
	leased.Holder = domain.HolderLeased
	for _, tt := range []struct {
		name           string
		admin          fakeResetter
		schemaErr      error
		code           int
		calls          int
		stdout, stderr string
	}{
		{
			name: "at the head", calls: 1, admin: fakeResetter{reset: domain.CheckpointReset{Before: atHead, After: atHead}},
			stdout: "stream datasync: the next run reads from the first page already\n",
		},
		{name: "a runner is alive", admin: fakeResetter{err: fenced}, code: cli.ExitFenced, calls: 6, stderr: "pid 4711 on web1"},
		{name: "a runner has a lease", admin: fakeResetter{err: &leased}, code: cli.ExitFenced, calls: 1, stderr: "pid 4711 on web1"},
		{
			name: "a runner has just ended", calls: 3,
			admin:  fakeResetter{err: fenced, fails: 2, reset: domain.CheckpointReset{Before: atHead, After: atHead}},
			stdout: "stream datasync: the next run reads from the first page already\n",
		},
		{name: "an older schema", schemaErr: outdated, code: cli.ExitSettings, stderr: "run `pawl migrate`"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := tt.admin.wiring()
			w.CheckSchema = func(context.Context, string) error { return tt.schemaErr }
			code, stdout, stderr := pawl(t, validEnv(), w, "checkpoint", "reset", "--yes")
			if code != tt.code || stdout != tt.stdout || !strings.Contains(stderr, tt.stderr) || tt.admin.calls != tt.calls {
				t.Errorf("%s: got exit %d, %d calls, output %q and error %q, want exit %d, %d calls, %q and %q",
					tt.name, code, tt.admin.calls, stdout, stderr, tt.code, tt.calls, tt.stdout, tt.stderr)
			}
		})
	}
}

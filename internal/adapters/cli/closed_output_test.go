package cli_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/domain"
)

// openBrokenPipe returns the end of a pipe that nobody reads.
func openBrokenPipe(t *testing.T) io.Writer {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = writer.Close() })
	return writer
}

// A patientRunner logs a line and runs until its context ends.
type patientRunner struct{ observer ingest.Observer }

func (r patientRunner) Run(ctx context.Context) (domain.Summary, error) {
	r.observer.Claimed(domain.Checkpoint{})
	<-ctx.Done()
	return domain.Summary{}, &domain.Error{Kind: domain.Stopped, Code: domain.CodeStopped, Op: "run", Err: ctx.Err()}
}

// TestClosedOutput_Run checks that a run stops as after a signal if nobody reads its log any more, so that it releases its database.
func TestClosedOutput_Run(t *testing.T) {
	t.Parallel()
	released := false
	w := newEmptyWiring()
	openDatabase := w.Database
	w.Database = func(ctx context.Context, databaseURL string, report func(string), consent func(string) error) (cli.Database, func() error, error) {
		db, _, err := openDatabase(ctx, databaseURL, report, consent)
		return db, func() error { released = true; return nil }, err
	}
	w.Runner = func(_ context.Context, _ cli.Settings, _ cli.RunOptions, o ingest.Observer) (cli.Runner, func(), error) {
		return patientRunner{observer: o}, func() {}, nil
	}
	code := cli.Main(t.Context(), cli.Process{
		Args: []string{"run"}, Environ: validEnv(), Stdout: &bytes.Buffer{}, Stderr: openBrokenPipe(t),
	}, w)
	if code != cli.ExitAgain || !released {
		t.Errorf("got exit %d, database released %v; want exit %d and true", code, released, cli.ExitAgain)
	}
}

// TestClosedOutput_Result checks that a command whose result nobody reads ends with exit code 3, and writes no error: `pawl config | head -1`
// is no mistake.
func TestClosedOutput_Result(t *testing.T) {
	t.Parallel()
	var stderr strings.Builder
	code := cli.Main(t.Context(), cli.Process{
		Args: []string{"config"}, Environ: validEnv(), Stdout: openBrokenPipe(t), Stderr: &stderr,
	}, newEmptyWiring())
	if code != cli.ExitAgain || strings.Contains(stderr.String(), "pawl:") {
		t.Errorf("got exit %d and %q, want exit %d and no error", code, stderr.String(), cli.ExitAgain)
	}
}

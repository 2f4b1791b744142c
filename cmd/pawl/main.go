// Command pawl takes events from a cursor-paginated, rate-limited HTTP API into PostgreSQL, exactly once.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/adapters/postgres"
)

func main() {
	signals := make(chan os.Signal, 2)
	if stop := cli.StopSignals(signal.Ignored); len(stop) > 0 {
		signal.Notify(signals, stop...)
	}
	process := cli.Process{
		Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Signals: signals,
	}
	os.Exit(cli.Main(context.Background(), process, cli.Wiring{
		Runner:       initRunner,
		Status:       initStatus,
		Verify:       initVerifier,
		Letters:      initLetters,
		Replay:       initReplayer,
		Drift:        initDrift,
		Move:         initMover,
		Database:     openDatabase,
		Migrate:      postgres.Migrate,
		CheckSchema:  postgres.CheckSchema,
		PsqlEnviron:  postgres.PsqlEnviron,
		NormalizeURL: datasync.NormalizeBaseURL,
		Jitter:       jitter,
		Version:      version(),
	}))
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown)"
	}
	return info.Main.Version
}

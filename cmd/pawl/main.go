// Command pawl takes events from a cursor-paginated, rate-limited HTTP API into PostgreSQL, exactly once.
package main

import (
	"cmp"
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/adapters/postgres/migrate"
)

// A release sets these variables with -ldflags "-X main.version=v1.2.3 -X main.commit=… -X main.date=…". For an empty variable, build
// takes the value from the build information that the go command writes.
var version, commit, date string

func main() {
	// net/http writes to the standard log what a server sends without a request. It may have the API key, and pawl has its own log.
	log.SetOutput(io.Discard)
	signals := make(chan os.Signal, 2) // has room for the first two signals, because only these have an effect
	if stopSignals := cli.StopSignals(signal.Ignored); len(stopSignals) > 0 {
		signal.Notify(signals, stopSignals...)
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // so that a write to a closed pipe returns an error and does not end pawl
	process := cli.Process{
		Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Signals: signals,
	}
	os.Exit(cli.Main(context.Background(), process, cli.Wiring{
		Runner:        initRunner,
		Pages:         readPages,
		Reader:        initReader,
		Verify:        initVerifier,
		Replay:        initReplayer,
		Admin:         initAdmin,
		Database:      openDatabase,
		PrivateFolder: privateFolder,
		Demo:          serveDemo,
		Migrate:       migrate.Up,
		CheckSchema:   migrate.CheckSchema,
		CheckRights:   migrate.CheckRights,
		PsqlEnviron:   postgres.PsqlEnviron,
		NormalizeURL:  datasync.NormalizeBaseURL,
		Jitter:        jitter,
		Build:         build(),
	}))
}

// build returns the version, commit and date of this program.
func build() cli.Build {
	info, _ := debug.ReadBuildInfo()
	return completeBuild(cli.Build{Version: version, Commit: commit, Date: date}, info)
}

// completeBuild returns b with its empty fields set from info, which may be nil. If neither has a version, the version is "(unknown)".
func completeBuild(b cli.Build, info *debug.BuildInfo) cli.Build {
	if info != nil {
		b.Version = cmp.Or(b.Version, info.Main.Version)
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = cmp.Or(b.Commit, s.Value)
			case "vcs.time":
				b.Date = cmp.Or(b.Date, s.Value)
			}
		}
	}
	b.Version = cmp.Or(b.Version, "(unknown)")
	return b
}

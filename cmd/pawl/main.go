// Command pawl takes events from a cursor-paginated, rate-limited HTTP API into PostgreSQL, exactly once.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/adapters/postgres"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	go obeySignals(cancel)
	os.Exit(cli.Main(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr, cli.Wiring{
		Runner:      initRunner,
		Status:      initStatus,
		Migrate:     postgres.Migrate,
		CheckSchema: postgres.CheckSchema,
		Jitter:      jitter,
		Version:     version(),
	}))
}

// obeySignals stops the command at the first signal, so that it finishes the page in hand, and the process at the
// second.
func obeySignals(stop context.CancelFunc) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	<-signals
	stop()
	second := <-signals
	number, _ := second.(syscall.Signal) // os/signal knows no other on the systems pawl is built for
	os.Exit(128 + int(number))
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown)"
	}
	return info.Main.Version
}

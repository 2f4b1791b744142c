// Command bench compares pawl with a yardstick, side by side on one machine: the same events, the same PostgreSQL with
// durable settings, in alternating rounds. It prints ratios, since absolute speeds differ from one machine and one hour
// to the next.
//
// The yardstick is a bare pgx.CopyFrom of decoded rows into pawl's table of events, with one page and its checkpoint in
// each transaction. The limit is the same with COPY bytes that were encoded beforehand. Neither reads an API.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options say what is measured.
type options struct {
	events   int           // in the API
	pageSize int           // records in one page
	rounds   int           // each contestant runs once in a round, the yardstick twice
	latency  time.Duration // of each answer of the API
	stored   int           // per cent of the events that are stored before the clock starts
	against  string        // a Git revision that is measured beside the working tree; empty for none
}

func main() {
	os.Exit(realMain(os.Args[1:]))
}

// realMain returns the exit code: 1 after an error, else 0.
func realMain(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, args); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

// run runs a contestant if the first argument names one, since each gets a process of its own; else it runs the benchmark.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 && (args[0] == yardstickName || args[0] == limitName) {
		return runCopy(ctx, args[0], os.Stdin, os.Stdout)
	}
	opts, err := parseOptions(args)
	if err != nil {
		return err
	}
	return runBenchmark(ctx, opts, os.Stdout)
}

func parseOptions(args []string) (options, error) {
	var opts options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&opts.events, "events", 500_000, "number of events")
	flags.IntVar(&opts.pageSize, "page-size", 5000, "records in one page")
	flags.IntVar(&opts.rounds, "rounds", 5, "alternating rounds")
	flags.DurationVar(&opts.latency, "latency", 0, "time the API takes for each answer")
	flags.IntVar(&opts.stored, "stored", 0, "per cent of the events that are stored before the clock starts")
	flags.StringVar(&opts.against, "against", "", "a Git revision to measure beside the working tree")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	if opts.events < 1 || opts.pageSize < 1 || opts.rounds < 1 || opts.stored < 0 || opts.stored > 100 {
		return opts, errors.New("numbers must be positive, and -stored at most 100")
	}
	return opts, nil
}

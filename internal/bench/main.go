// Command bench compares pawl with a baseline. It measures both on one machine, with the same events and the same PostgreSQL
// with durable settings, in alternating rounds. It prints ratios, because absolute speeds differ from one machine and one hour to
// the next.
//
// The baseline is a bare pgx.CopyFrom of decoded rows into pawl's table of events. It stores one page and its checkpoint in each
// transaction. A second program is called the limit, because pawl can hardly be faster: it does the same as the baseline, but it
// sends COPY bytes that were encoded before the clock starts. The baseline and the limit do not read an API.
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
	rounds   int           // in each round, every program runs once; the baseline runs first and last, which shows the noise
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

// run runs the benchmark. The benchmark measures the baseline and the limit in processes of their own, so it starts this program
// again with the name of one of them as the first argument. Then run runs only this one.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 && (args[0] == baselineName || args[0] == limitName) {
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
	if opts.events < 1 || opts.pageSize < 1 || opts.rounds < 1 {
		return opts, errors.New("-events, -page-size and -rounds must be at least 1")
	}
	if opts.stored < 0 || opts.stored > 100 {
		return opts, errors.New("-stored must be from 0 to 100")
	}
	return opts, nil // mockapi checks the latency
}

// Command bench measures pawl: its speed beside a reference, its CPU time and memory, and the time that some commands take. Each
// case of the benchmark measures one thing (cases.go has them all). `make bench` runs this program.
//
// Most cases compare pawl with a baseline on one machine, with the same events and the same PostgreSQL with durable settings, in
// alternating rounds. They yield ratios, because absolute speeds differ from one machine and one hour to the next. The baseline is a
// bare pgx.CopyFrom of decoded rows into pawl's table of events. It stores one page and its checkpoint in each transaction, and it
// does not read an API. A slow API is compared with a bare client that reads all pages and stores nothing.
//
// Each run gets a database of its own, and a checkpoint of PostgreSQL before it, so that no run pays for the one before.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// options say what is measured.
type options struct {
	cases   []benchCase
	events  int    // in the API; some cases have a part or a multiple of it
	rounds  int    // in each round, every program runs once, and the reference twice
	against string // a Git revision of pawl to measure beside the working tree; empty for none
	write   bool   // the results into docs
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

// run runs the benchmark. The programs that pawl is compared with run in processes of their own, so the benchmark starts this
// program again with the name of one of them as the first argument. Then run runs only this one.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case baselineName, limitName:
			return runCopy(ctx, args[0], os.Stdin, os.Stdout)
		case readerName:
			return runReader(ctx, os.Stdin)
		}
	}
	opts, err := parseOptions(args)
	if err != nil {
		return err
	}
	return runBenchmark(ctx, opts, os.Stdout)
}

// The number of rounds if the user gives none. The interval of a ratio to another revision should be small.
const (
	defaultRounds        = 5
	defaultAgainstRounds = 15
)

func parseOptions(args []string) (options, error) {
	var opts options
	var names string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&names, "cases", "end-to-end", "the cases to run, separated by commas, or all:\n"+describeCases())
	flags.IntVar(&opts.events, "events", 500_000, "number of events")
	flags.IntVar(&opts.rounds, "rounds", 0, fmt.Sprintf("alternating rounds (default %d, or %d with -against)",
		defaultRounds, defaultAgainstRounds))
	flags.StringVar(&opts.against, "against", "", "a Git revision to measure beside the working tree")
	flags.BoolVar(&opts.write, "write", false, "write the results into docs")
	err := flags.Parse(args)
	if err != nil {
		return opts, err
	}
	if opts.cases, err = findCases(names); err != nil {
		return opts, err
	}
	if opts.rounds == 0 {
		opts.rounds = defaultRounds
		if opts.against != "" {
			opts.rounds = defaultAgainstRounds
		}
	}
	switch {
	case opts.events < 1 || opts.rounds < 1:
		err = errors.New("-events and -rounds must be at least 1")
	case opts.write && opts.against != "":
		err = errors.New("-write is for the working tree alone, without -against")
	case opts.against != "":
		err = checkComparable(opts.cases)
	}
	return opts, err
}

// Command bench measures pawl: its speed beside a reference, its CPU time and memory, and the time that some commands take. Each
// case of the benchmark measures one thing (cases.go has them all). `make bench` runs this program.
//
// Most cases compare pawl with a reference on one machine, with the same events and the same PostgreSQL with durable settings. In each
// round every program runs once, and the reference twice. The results are ratios, because absolute speeds differ from one machine and
// one hour to the next. These are the programs beside pawl:
//   - The baseline is the usual reference: a bare pgx.CopyFrom of decoded rows into pawl's table of events. It stores one page and its
//     checkpoint in each transaction, and does not read an API.
//   - The limit does the same with rows that are encoded before the clock starts. No program that uses COPY can be faster.
//   - The reader is the reference for a slow API: a bare client that reads all pages and stores nothing.
//
// Each run gets a database of its own. Before the run, PostgreSQL makes a CHECKPOINT, so that no run pays for the one before.
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
	events  int    // the number of events in the API; some cases have a part or a multiple of it
	rounds  int    // the number of rounds
	against string // a Git revision of pawl to measure beside the working tree; empty for none
	write   bool   // whether to write the results into docs
}

func main() {
	os.Exit(realMain(os.Args[1:]))
}

// realMain runs the benchmark and returns the exit code: 1 after an error, else 0.
func realMain(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, args); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

// run runs the benchmark. But if the first argument is baselineName, limitName or readerName, run runs only that program: the benchmark
// starts itself again with this argument, so that the program has a process of its own.
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

// The number of rounds if the user gives none.
const (
	defaultRounds        = 5
	defaultAgainstRounds = 15 // with -against; more rounds make the interval of the ratio smaller
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

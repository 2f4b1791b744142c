package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/pawldata/pawl/mockapi"
)

// maxScenarioBytes is the maximum size of a scenario file.
const maxScenarioBytes = 1 << 20

// options contains what the arguments of mockapi say.
type options struct {
	cfg     mockapi.Config
	listen  string   // the address to listen on
	version bool     // print the version and end
	command []string // the command and its arguments; empty if there is none
}

// parse parses the arguments. It returns [flag.ErrHelp] if they ask for help.
func parse(args []string) (options, error) {
	opts := options{cfg: mockapi.DefaultConfig()}
	if separator := slices.Index(args, "--"); separator >= 0 {
		opts.command = args[separator+1:]
		if len(opts.command) == 0 {
			return options{}, errors.New("there is no command after --")
		}
		args = args[:separator]
	}
	flags := newFlags(&opts)
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("%q is not a flag; a command goes after --", flags.Arg(0))
	}
	if opts.listen == "" {
		opts.listen = "127.0.0.1:8080"
		if opts.command != nil {
			opts.listen = "127.0.0.1:0" // a free port
		}
	}
	return opts, nil
}

// newFlags returns the flags of mockapi, which store their values in opts.
func newFlags(opts *options) *flag.FlagSet {
	cfg := &opts.cfg
	flags := flag.NewFlagSet("mockapi", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // fail prints the error, and printHelp the help
	flags.StringVar(&opts.listen, "listen", "", "`address` to listen on (default 127.0.0.1:8080, or 127.0.0.1:0 with a command)")
	flags.BoolVar(&opts.version, "version", false, "print the version and end")
	flags.IntVar(&cfg.Events, "events", cfg.Events, "size of the collection")
	flags.Uint64Var(&cfg.Seed, "seed", cfg.Seed, "number that decides all events and all random faults and drifts")
	flags.StringVar(&cfg.APIKey, "api-key", cfg.APIKey, "`key` that clients must send as X-API-Key")
	flags.IntVar(&cfg.RateLimit, "rate-limit", cfg.RateLimit, "`requests` per window, 0 for no limit")
	flags.DurationVar(&cfg.RateWindow, "rate-window", cfg.RateWindow, "length of a window; its first request opens it")
	flags.DurationVar(&cfg.CursorTTL, "cursor-ttl", cfg.CursorTTL, "time after which a cursor expires")
	flags.DurationVar(&cfg.Latency, "latency", cfg.Latency, "time from the arrival of a request to its response")
	flags.StringVar((*string)(&cfg.Envelope), "envelope", string(cfg.Envelope),
		"`form` of a page: nested (recorded), flat (documented), mixed")
	flags.IntVar(&cfg.DefaultLimit, "default-limit", cfg.DefaultLimit, "`events` in a page if the request has no limit")
	flags.IntVar(&cfg.MaxLimit, "max-limit", cfg.MaxLimit, "maximum `events` in a page")
	flags.IntVar(&cfg.JournalLimit, "journal-limit", cfg.JournalLimit, "maximum `requests` in the journal")
	addScenarioFlags(flags, &cfg.Scenario)
	return flags
}

// addScenarioFlags adds the flags that newFlags leaves to it.
func addScenarioFlags(flags *flag.FlagSet, scenario *mockapi.Scenario) {
	flags.StringVar((*string)(&scenario.RateHeaders), "rate-headers", string(scenario.RateHeaders),
		"`form` of the rate limit headers: seconds, epoch, epoch-ms, http-date, ietf, absent, lying")
	flags.StringVar((*string)(&scenario.RetryAfter), "retry-after", string(scenario.RetryAfter),
		"`form` of Retry-After on 429: seconds, http-date, zero, absent")
	flags.IntVar(&scenario.Grow, "grow", scenario.Grow, "`events` that appear at the head after each request to /events")
	flags.Func("fault", "`rule` for wrong responses; may be repeated", func(text string) error {
		fault, err := mockapi.ParseFault(text)
		scenario.Faults = append(scenario.Faults, fault)
		return err
	})
	flags.Func("drift", "`rule` for changed records; may be repeated", func(text string) error {
		drift, err := mockapi.ParseDrift(text)
		scenario.Drifts = append(scenario.Drifts, drift)
		return err
	})
	flags.Func("scenario", "`file` with a scenario; flags after it change its settings", func(path string) error {
		return readScenario(path, scenario)
	})
}

// readScenario changes the settings of scenario that the JSON in a file contains.
func readScenario(path string, scenario *mockapi.Scenario) error {
	file, err := os.Open(path) //nolint:gosec // the user names the file
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxScenarioBytes+1)) // one more byte shows that the file is too large
	if err != nil {
		return err
	}
	if len(text) > maxScenarioBytes {
		return fmt.Errorf("%s is larger than %d bytes", path, maxScenarioBytes)
	}
	return json.Unmarshal(text, scenario)
}

const usage = `mockapi serves a deterministic mock of the DataSync Analytics API.

  mockapi [flags]                       serve on 127.0.0.1:8080 until SIGINT or SIGTERM
  mockapi [flags] -- COMMAND [ARGS]     serve on a free loopback port, run COMMAND, and exit with its exit code

COMMAND gets API_BASE_URL, API_KEY and MOCKAPI_ADMIN_URL in its environment. It runs in its own process group. SIGINT and
SIGTERM are forwarded to it. The exit code is that of COMMAND, or:
  128+n  signal n ended COMMAND
  127    COMMAND was not found
  126    COMMAND could not be executed
  2      a flag is wrong
`

const scenarioUsage = `Below MOCKAPI_ADMIN_URL, without a key:
  GET  /                             a list of these endpoints
  GET  /journal?after=SEQ&wait=5s    the requests and their responses; with wait, waits for the next entry; with &limit=N
                                     at most N entries
  DELETE /journal                    clears the journal and its totals
  GET  /journal/summary              the totals of the journal
  GET  /truth?from=N&limit=N         the expected result for each record, newest first; with &size=N for a collection of
                                     that size; with &outcome=stored,drifted for these outcomes only
  GET  /config, /scenario            the settings
  PUT  /scenario                     replaces the scenario: settings that the JSON does not contain get their defaults
  POST /scenario                     changes the scenario: settings that the JSON does not contain stay
A scenario is a JSON object with the settings that GET /scenario shows; --scenario reads one from a file:
  {"faults": ["503@7", "429:0.05"], "drifts": ["nul:0.001"], "rate_headers": "epoch", "latency": "500ms", "grow": 10}

A fault is KIND@N[,N...] for the requests with these numbers (FIRST-LAST is a range), or KIND:PROBABILITY. The requests to
all endpoints with the right key are numbered from 1, in the order of arrival. At most one fault applies to a request. If
a fault lists the number of a request, no fault with a probability applies to it. A fault replaces the 429 of the rate
limit, unless the fault changes a page. Example: --fault 503@7 --fault 429@3,12 --fault 500:0.05
The kinds of faults are:`

const driftUsage = `
A drift is written in the same way. The events are numbered from 0, the newest event at the start. A drifted record has the
same bytes on every pass. Example: --drift nul@3 --drift new-field:0.01
The kinds of drifts, each with the expected result after the colon, are:`

func printHelp(to io.Writer) {
	printLine(to, "%s", usage)
	printLine(to, "%s", scenarioUsage)
	for _, kind := range mockapi.FaultKinds() {
		printLine(to, "  %-19s %s", kind, kind.Describe())
	}
	printLine(to, "%s", driftUsage)
	for _, kind := range mockapi.DriftKinds() {
		printLine(to, "  %-25s %s", kind, kind.Describe())
	}
	printLine(to, "")
	printLine(to, "Flags:")
	newFlags(&options{cfg: mockapi.DefaultConfig()}).VisitAll(func(f *flag.Flag) {
		value, text := flag.UnquoteUsage(f)
		if f.DefValue != "" {
			text += " (default " + f.DefValue + ")"
		}
		printLine(to, "  %-24s %s", "--"+f.Name+" "+value, text)
	})
}

package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/pawldata/pawl/mockapi"
)

// maxScenario bounds a scenario file, in bytes.
const maxScenario = 1 << 20

const scenarioUsage = `Below MOCKAPI_ADMIN_URL, which needs no key:
  GET  /journal?after=SEQ&wait=5s    what was asked and answered; it waits for the next entry
  GET  /journal/summary              the same in numbers
  GET  /truth?from=N&limit=N         what must become of each record, newest first; &size=N of a collection of that size,
                                     &outcome=stored,drifted only those
  GET  /config, /scenario            what is served
  PUT  /scenario                     replaces it while it runs: what the JSON leaves out is as recorded
  POST /scenario                     changes it: what the JSON leaves out stays
A scenario is a JSON object of the settings that GET /scenario shows; --scenario reads one from a file:
  {"faults": ["503@7", "429:0.05"], "drifts": ["nul:0.001"], "rate_headers": "epoch", "latency": "500ms", "grow": 10}

A fault is KIND@N[,N...] for the requests so numbered (FIRST-LAST is a range), or KIND:PROBABILITY. Requests are those to
any endpoint with the right key, numbered from 1 as they arrive. At most one fault strikes a request, scheduled before
random. It may strike inside a spent window too, unless it only changes a page. Example: --fault 503@7 --fault 429@3,12 --fault 500:0.05`

const driftUsage = `
A drift is written in the same way; it numbers the events, from 0, the newest at the start. An event drifts in the same way
on every pass, to the byte. Behind the colon stands what must become of it. Example: --drift nul@3 --drift new-field:0.01`

// printScenario is the part of the help that tells of scenarios.
func printScenario(to io.Writer) {
	say(to, "%s", scenarioUsage)
	for _, kind := range mockapi.FaultKinds() {
		say(to, "  %-19s %s", kind, kind.Describe())
	}
	say(to, "%s", driftUsage)
	for _, kind := range mockapi.DriftKinds() {
		say(to, "  %-25s %s", kind, kind.Describe())
	}
	say(to, "")
}

// scenarioFlags adds the flags of what goes wrong.
func scenarioFlags(flags *flag.FlagSet, scenario *mockapi.Scenario) {
	flags.StringVar((*string)(&scenario.RateHeaders), "rate-headers", string(scenario.RateHeaders),
		"`form` of the rate limit headers: seconds left, epoch, epoch-ms, http-date, ietf, absent, lying")
	flags.StringVar((*string)(&scenario.RetryAfter), "retry-after", string(scenario.RetryAfter),
		"`form` of Retry-After on 429: seconds, http-date, zero, absent")
	flags.IntVar(&scenario.Grow, "grow", scenario.Grow, "`events` that appear at the head after each request to /events")
	flags.Func("fault", "`spec` of something to go wrong with answers; may be repeated", func(spec string) error {
		fault, err := mockapi.ParseFault(spec)
		scenario.Faults = append(scenario.Faults, fault)
		return err
	})
	flags.Func("drift", "`spec` of something to be wrong with records; may be repeated", func(spec string) error {
		drift, err := mockapi.ParseDrift(spec)
		scenario.Drifts = append(scenario.Drifts, drift)
		return err
	})
	flags.Func("scenario", "`file` with a scenario; flags behind it change what it says", func(path string) error {
		return readScenario(path, scenario)
	})
}

func readScenario(path string, scenario *mockapi.Scenario) error {
	file, err := os.Open(path) //nolint:gosec // reading the file it is given is its purpose
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxScenario+1))
	if err != nil {
		return err
	}
	if len(text) > maxScenario {
		return fmt.Errorf("%s is larger than %d bytes", path, maxScenario)
	}
	return json.Unmarshal(text, scenario)
}

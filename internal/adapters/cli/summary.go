package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/domain"
)

// summaryJSON is what `pawl run --json` prints about the run. It is also a part of what `pawl status --json` prints.
type summaryJSON struct {
	Stream         string  `json:"stream"`          // the stream's name
	Pass           int64   `json:"pass"`            // the number of the pass, from 1
	Seq            int64   `json:"seq"`             // pages that all runs together have stored
	Done           bool    `json:"done"`            // the pass is complete
	Pages          int64   `json:"pages"`           // pages that this run stored; in pawl status this and the next fields count all runs
	Received       int64   `json:"received"`        // records in these pages: inserted + duplicate + parked
	Inserted       int64   `json:"inserted"`        // events stored
	Duplicate      int64   `json:"duplicate"`       // events that were stored already
	Parked         int64   `json:"parked"`          // records that became dead letters
	AnnouncedTotal *int64  `json:"announced_total"` // the total that the API announced last; null if it announced none
	Requests       int     `json:"requests"`        // HTTP requests sent
	Retries        int     `json:"retries"`         // requests that repeated a failed one
	RateLimited    int     `json:"rate_limited"`    // requests that the API refused because of its rate limit
	WaitedSeconds  float64 `json:"waited_seconds"`  // time spent waiting before requests and commits
	ElapsedSeconds float64 `json:"elapsed_seconds"` // time from start to end

	StoppedBy string     `json:"stopped_by,omitempty"` // what asked the run to stop: max-pages or signal
	Times     *timesJSON `json:"times,omitempty"`      // how long each kind of work took; only in pawl run
}

// timesJSON says how long each kind of work of a run took. The kinds overlap.
type timesJSON struct {
	FetchSeconds  float64 `json:"fetch_seconds"`  // all requests, each until the end of its answer
	DecodeSeconds float64 `json:"decode_seconds"` // decoding records
	StoreSeconds  float64 `json:"store_seconds"`  // storing pages, with the waits between attempts
	CommitSeconds float64 `json:"commit_seconds"` // the part of store_seconds from COMMIT to its answer
}

// printSummary writes the summary as JSON or as text. stoppedBy says what asked the run to stop; it is empty if nothing did.
func printSummary(w io.Writer, s domain.Summary, stoppedBy string, asJSON bool) error {
	if asJSON {
		return outputError(writeSummaryJSON(w, s, stoppedBy))
	}
	return outputError(writeSummary(w, s))
}

func writeSummaryJSON(w io.Writer, s domain.Summary, stoppedBy string) error {
	return json.NewEncoder(w).Encode(newSummaryJSON(s, stoppedBy))
}

func newSummaryJSON(s domain.Summary, stoppedBy string) summaryJSON {
	out := summaryJSON{
		Stream: s.Stream.String(), Pass: s.Pass, Seq: s.Seq, Done: s.Done, Pages: s.Pages,
		Received: s.Received, Inserted: s.Inserted, Duplicate: s.Duplicate, Parked: s.Parked,
		Requests: s.Requests, Retries: s.Retries, RateLimited: s.RateLimited,
		WaitedSeconds: seconds(s.Waited), ElapsedSeconds: seconds(s.Elapsed), StoppedBy: stoppedBy,
	}
	if s.Times != (domain.WorkTimes{}) { // pawl status does not know the times
		out.Times = &timesJSON{
			FetchSeconds: seconds(s.Times.Fetching), DecodeSeconds: seconds(s.Times.Decoding),
			StoreSeconds: seconds(s.Times.Storing), CommitSeconds: seconds(s.Times.Committing),
		}
	}
	if s.Announced.Known {
		out.AnnouncedTotal = &s.Announced.N
	}
	return out
}

// writeSummary writes the summary for a person. If a complete stream has fewer records than the API announced, a last line says so.
func writeSummary(w io.Writer, s domain.Summary) error {
	state, announced := "not complete", "no total announced"
	if s.Done {
		state = "complete"
	}
	if s.Announced.Known {
		announced = humanize.Comma(s.Announced.N) + " announced"
	}
	_, err := fmt.Fprintf(w, `%s stored (%s, %.1f s)
stream %s: %s, pass %d, seq %d, %s
%s received = %s inserted + %s duplicate + %s parked
%s, %s retried, %s refused by the rate limit; waited %.1f s of %.1f s
`,
		quantity(s.Inserted, "event", "events"), quantity(s.Pages, "page", "pages"), s.Elapsed.Seconds(),
		s.Stream, state, s.Pass, s.Seq, announced,
		humanize.Comma(s.Received), humanize.Comma(s.Inserted), humanize.Comma(s.Duplicate), humanize.Comma(s.Parked),
		quantity(int64(s.Requests), "request", "requests"), humanize.Comma(int64(s.Retries)), humanize.Comma(int64(s.RateLimited)),
		s.Waited.Seconds(), s.Elapsed.Seconds())
	hasTimes := s.Times != (domain.WorkTimes{}) // pawl status does not know the times
	if err == nil && hasTimes {
		_, err = fmt.Fprintf(w, "fetching took %.1f s, decoding %.1f s, storing %.1f s (of it COMMIT %.1f s); these overlap\n",
			s.Times.Fetching.Seconds(), s.Times.Decoding.Seconds(), s.Times.Storing.Seconds(), s.Times.Committing.Seconds())
	}
	hasFewer := s.Done && s.Accounted < s.Announced.N // false if no total was announced, because N is then 0
	if err == nil && hasFewer {
		_, err = fmt.Fprintf(w, "only %s of %s announced records are stored or parked: `pawl verify` explains the difference\n",
			humanize.Comma(s.Accounted), humanize.Comma(s.Announced.N))
	}
	return err
}

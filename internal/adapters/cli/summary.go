package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/domain"
)

// summaryJSON is the summary as scripts read it; README.md documents the fields.
type summaryJSON struct {
	Stream         string  `json:"stream"`
	Pass           int64   `json:"pass"`
	Seq            int64   `json:"seq"`
	Done           bool    `json:"done"`
	Pages          int64   `json:"pages"`
	Received       int64   `json:"received"`
	Inserted       int64   `json:"inserted"`
	Duplicate      int64   `json:"duplicate"`
	Parked         int64   `json:"parked"`
	AnnouncedTotal *int64  `json:"announced_total"` // null if the API announces none
	Requests       int     `json:"requests"`
	Retries        int     `json:"retries"`
	RateLimited    int     `json:"rate_limited"`
	WaitedSeconds  float64 `json:"waited_seconds"`
	ElapsedSeconds float64 `json:"elapsed_seconds"`
}

// printSummary writes the summary for a script or for a person.
func printSummary(w io.Writer, s domain.Summary, asJSON bool) error {
	write := writeText
	if asJSON {
		write = writeJSON
	}
	return printed(write(w, s))
}

// printed classifies the error of writing to standard output.
func printed(err error) error {
	if err == nil {
		return nil
	}
	return &domain.Error{Kind: domain.Invalid, Op: "print", Err: err, Hint: "check where standard output goes"}
}

func writeJSON(w io.Writer, s domain.Summary) error {
	out := summaryJSON{
		Stream: s.Stream.String(), Pass: s.Pass, Seq: s.Seq, Done: s.Done, Pages: s.Pages,
		Received: s.Received, Inserted: s.Inserted, Duplicate: s.Duplicate, Parked: s.Parked,
		Requests: s.Requests, Retries: s.Retries, RateLimited: s.RateLimited,
		WaitedSeconds: seconds(s.Waited), ElapsedSeconds: seconds(s.Elapsed),
	}
	if s.Announced.Known {
		out.AnnouncedTotal = &s.Announced.N
	}
	return json.NewEncoder(w).Encode(out)
}

func writeText(w io.Writer, s domain.Summary) error {
	state, announced := "not complete", "no total announced"
	if s.Done {
		state = "complete"
	}
	if s.Announced.Known {
		announced = humanize.Comma(s.Announced.N) + " announced"
	}
	_, err := fmt.Fprintf(w, `stream %s: %s, pass %d, seq %d, %s
%s pages: %s received = %s inserted + %s duplicate + %s parked
%s requests, %s retried, %s refused by the rate limit; waited %.1f s of %.1f s
`,
		s.Stream, state, s.Pass, s.Seq, announced,
		humanize.Comma(s.Pages), humanize.Comma(s.Received), humanize.Comma(s.Inserted), humanize.Comma(s.Duplicate), humanize.Comma(s.Parked),
		humanize.Comma(int64(s.Requests)), humanize.Comma(int64(s.Retries)), humanize.Comma(int64(s.RateLimited)),
		s.Waited.Seconds(), s.Elapsed.Seconds())
	if err == nil && s.Done && s.Accounted < s.Announced.N {
		_, err = fmt.Fprintf(w, "%s of %s announced records are stored or parked: `pawl verify` says why\n",
			humanize.Comma(s.Accounted), humanize.Comma(s.Announced.N))
	}
	return err
}

// seconds is d in seconds, to the millisecond.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }

package cli

import (
	"io"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// statusJSON is what `pawl status --json` prints about a stream.
type statusJSON struct {
	summaryJSON

	SourceURL  string           `json:"source_url"`   // the address that the stream reads from
	UpdatedAt  string           `json:"updated_at"`   // when the last page was stored; without a page, when the stream began
	AgeSeconds float64          `json:"age_seconds"`  // the time since updated_at
	Read       int64            `json:"read"`         // records that this pass has read and stored
	Runner     *runnerJSON      `json:"runner"`       // the last runner; null if none has reported yet
	OpenCount  int64            `json:"open_letters"` // the number of open dead letters
	Open       []openReasonJSON `json:"open_reasons"` // the open dead letters by reason, the most frequent first
	Drift      driftTotalJSON   `json:"drift"`        // the sums of the drift register
	LastPages  []ledgerPageJSON `json:"last_pages"`   // at most five pages, the last one first
}

type runnerJSON struct {
	Alive       bool    `json:"alive"`         // it works or waits, and has reported in the last seconds
	Host        string  `json:"host"`          // the name of its machine
	PID         int     `json:"pid"`           // its process id on that machine
	Version     string  `json:"version"`       // its version of pawl
	Since       string  `json:"since"`         // when it claimed the stream
	AliveAt     string  `json:"alive_at"`      // when it last reported
	State       string  `json:"state"`         // the state in the table runners
	StateUntil  *string `json:"state_until"`   // when its wait ends; null if it does not wait
	LastError   string  `json:"last_error"`    // its last failure, even if it went on; empty if there was none
	LastErrorAt *string `json:"last_error_at"` // when that was; null if there was none
	NotBefore   *string `json:"not_before"`    // the rate limit allows no request before this time; null if nothing is known
	LeaseUntil  *string `json:"lease_until"`   // when its lease on the stream ends; null if it holds the stream by a lock or has ended
}

type openReasonJSON struct {
	Reason string `json:"reason"` // the reason
	Count  int64  `json:"count"`  // the number of open dead letters with this reason
}

type driftTotalJSON struct {
	Kinds int64 `json:"kinds"` // the number of entries
	Count int64 `json:"count"` // the sum of their counts
}

type ledgerPageJSON struct {
	Seq       int64  `json:"seq"`       // the number of the page
	Pass      int64  `json:"pass"`      // the number of its pass
	Received  int64  `json:"received"`  // records in the page
	Inserted  int64  `json:"inserted"`  // of these, events stored
	Duplicate int64  `json:"duplicate"` // of these, stored or parked already
	Parked    int64  `json:"parked"`    // of these, new dead letters
	StoredAt  string `json:"stored_at"` // when it was stored
}

// failedStartJSON is what `pawl status --json` prints about a stream whose first run failed before it stored a page.
type failedStartJSON struct {
	Stream   string `json:"stream"`    // the stream's name
	FailedAt string `json:"failed_at"` // when its first run failed
	Error    string `json:"error"`     // why it failed
}

// writeReportsJSON writes each stream and each failed first run as JSON on one line.
func writeReportsJSON(w io.Writer, report statusReport) error {
	for _, status := range report.streams {
		if err := writeStatusJSON(w, status); err != nil {
			return err
		}
	}
	for _, f := range report.failedStarts {
		out := failedStartJSON{Stream: f.Stream.String(), FailedAt: formatTime(f.At), Error: f.Error}
		if err := writeASCIIJSON(w, out); err != nil {
			return err
		}
	}
	return nil
}

// writeStatusJSON writes the status of one stream as JSON on one line.
func writeStatusJSON(w io.Writer, s domain.StreamStatus) error {
	out := statusJSON{
		summaryJSON: newSummaryJSON(s.Summary()),
		SourceURL:   s.Checkpoint.SourceURL, UpdatedAt: formatTime(s.Checkpoint.UpdatedAt),
		AgeSeconds: seconds(s.Now.Sub(s.Checkpoint.UpdatedAt)), Read: s.Checkpoint.Offset,
		OpenCount: s.OpenLetters(), Open: []openReasonJSON{}, LastPages: []ledgerPageJSON{},
		Drift: driftTotalJSON{Kinds: s.Drift.Entries, Count: s.Drift.Records},
	}
	if s.Runner != nil {
		out.Runner = newRunnerJSON(*s.Runner, s.Now)
	}
	for _, c := range s.Open {
		out.Open = append(out.Open, openReasonJSON{Reason: c.Reason, Count: c.Count})
	}
	for _, p := range s.LastPages {
		out.LastPages = append(out.LastPages, ledgerPageJSON{
			Seq: p.Seq, Pass: p.Pass, Received: p.Counts.Received, Inserted: p.Counts.Inserted, Duplicate: p.Counts.Duplicate,
			Parked: p.Counts.Parked, StoredAt: formatTime(p.CommittedAt),
		})
	}
	return writeASCIIJSON(w, out)
}

// newRunnerJSON returns what a runner has reported, as it is at the time now.
func newRunnerJSON(r domain.RunnerReport, now time.Time) *runnerJSON {
	return &runnerJSON{
		Alive: r.IsAlive(now), Host: r.Host, PID: r.PID, Version: r.Version,
		Since: formatTime(r.Since), AliveAt: formatTime(r.AliveAt), State: string(r.Activity), StateUntil: timeOrNil(r.Until),
		LastError: r.LastError, LastErrorAt: timeOrNil(r.LastErrorAt), NotBefore: timeOrNil(r.NotBefore),
		LeaseUntil: timeOrNil(r.LeaseUntil),
	}
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// timeOrNil returns nil for the zero time.
func timeOrNil(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := formatTime(t)
	return &text
}

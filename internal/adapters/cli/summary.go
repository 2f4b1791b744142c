package cli

import (
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

	Database  string     `json:"database,omitempty"`   // the database in words, without user and password; only in pawl run
	StoppedBy string     `json:"stopped_by,omitempty"` // what asked the run to stop: max-pages, for or signal
	Times     *timesJSON `json:"times,omitempty"`      // how long each kind of work took; only in pawl run
}

// timesJSON says how long each kind of work of a run took. The kinds overlap.
type timesJSON struct {
	FetchSeconds  float64 `json:"fetch_seconds"`  // all requests, each until the end of its answer
	DecodeSeconds float64 `json:"decode_seconds"` // decoding records
	StoreSeconds  float64 `json:"store_seconds"`  // storing pages, with the waits between attempts
	CommitSeconds float64 `json:"commit_seconds"` // the part of store_seconds from COMMIT to its answer
}

// printSummary prints the summary of a run that ended with runErr, as JSON or for a person.
func (s *session) printSummary(db Database, sum domain.Summary, runErr error, asJSON bool) error {
	if asJSON {
		return outputError(writeSummaryJSON(s.Stdout, sum, db.Name, stoppedBy(runErr)))
	}
	r := s.summarize(db, sum, runErr)
	return outputError(r.write(s.Stdout, s.stdoutScreen()))
}

func writeSummaryJSON(w io.Writer, s domain.Summary, database, stoppedBy string) error {
	out := newSummaryJSON(s)
	out.Database, out.StoppedBy = database, stoppedBy
	return writeASCIIJSON(w, out)
}

func newSummaryJSON(s domain.Summary) summaryJSON {
	out := summaryJSON{
		Stream: s.Stream.String(), Pass: s.Pass, Seq: s.Seq, Done: s.Done, Pages: s.Pages,
		Received: s.Received, Inserted: s.Inserted, Duplicate: s.Duplicate, Parked: s.Parked,
		Requests: s.Requests, Retries: s.Retries, RateLimited: s.RateLimited,
		WaitedSeconds: seconds(s.Waited), ElapsedSeconds: seconds(s.Elapsed),
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

// summarize returns the summary for a person. Its title says what happened, and where the events are. The lines below it leave out what
// did not happen, except in the line that shows that no record is lost.
func (s *session) summarize(db Database, sum domain.Summary, runErr error) *result {
	r := &result{isComplete: sum.Done}
	position := domain.Position{Offset: sum.Offset, AnnouncedLast: sum.Announced}
	stored := "no new events"
	if sum.Inserted > 0 {
		stored = quantity(sum.Inserted, "event", "events")
	}
	switch {
	case !sum.Done:
		r.title = fmt.Sprintf("%s stored in %s, stream %s %s", stored, db.Name, sum.Stream, notComplete(sum.Pages, readText(position), runErr))
	case sum.Pages == 0:
		r.title = fmt.Sprintf("stream %s is complete already in %s", sum.Stream, db.Name)
	default:
		r.title = fmt.Sprintf("%s stored in %s, stream %s complete", stored, db.Name, sum.Stream)
	}
	if sum.Received > 0 {
		r.add("counts", "%s received = %s inserted + %s duplicate + %s parked", humanize.Comma(sum.Received),
			humanize.Comma(sum.Inserted), humanize.Comma(sum.Duplicate), humanize.Comma(sum.Parked))
	}
	if sum.Parked > 0 {
		r.add("letters", "%s; list them: %s", quantity(sum.Parked, "new dead letter", "new dead letters"), s.commandLine("dlq list --summary"))
	}
	r.add("position", "pass %d, seq %d, %s", sum.Pass, sum.Seq, announcedText(position))
	r.addSpeed(sum.Received, sum.Pages, sum.Elapsed)
	r.addTimes(
		work{"fetch", sum.Times.Fetching}, work{"wait", sum.Waited}, work{"decode", sum.Times.Decoding}, work{"store", sum.Times.Storing},
	)
	r.addRequests(sum.Traffic)
	hasFewer := sum.Done && sum.Accounted < sum.Announced.N // false if no total was announced, because N is then 0
	if hasFewer {
		r.add("note", "only %s of %s announced records are stored or parked; for the difference: %s",
			humanize.Comma(sum.Accounted), humanize.Comma(sum.Announced.N), s.commandLine("verify"))
	}
	return r
}

// announcedText returns how many of the announced records are before a position.
func announcedText(p domain.Position) string {
	if !p.AnnouncedLast.Known {
		return quantity(p.Offset, "record", "records") + ", no total announced"
	}
	return humanize.Comma(p.Offset) + " of " + quantity(p.AnnouncedLast.N, "announced record", "announced records")
}

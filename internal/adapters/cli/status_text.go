package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/domain"
)

// writeStatus writes the status of one stream for a person.
func writeStatus(w io.Writer, s domain.StreamStatus) error {
	lines := []string{fmt.Sprintf("stream %s: %s, pass %d", s.Checkpoint.Stream, progressOf(s), s.Checkpoint.Pass)}
	add := func(name, format string, args ...any) {
		lines = append(lines, fmt.Sprintf("  %-8s ", name)+fmt.Sprintf(format, args...))
	}
	add("runner", "%s", runnerOf(s))
	if r := s.Runner; r != nil {
		add("process", "pid %d on %s, %s, since %s", r.PID, escapeUnprintable(r.Host), escapeUnprintable(r.Version), timeAt(r.Since, s.Now))
		if r.NotBefore.After(s.Now) && !r.Waits(s.Now) {
			add("limit", "no request before %s", timeAt(r.NotBefore, s.Now))
		}
		if r.LastError != "" {
			add("error", "%s: %s", timeAt(r.LastErrorAt, s.Now), escapeExceptEllipsis(r.LastError))
		}
	}
	add("stored", "%s in %s", quantity(s.Checkpoint.Inserted, "event", "events"), quantity(s.Pages, "page", "pages"))
	add("counts", "%s received = %s inserted + %s duplicate + %s parked", humanize.Comma(s.Checkpoint.Received),
		humanize.Comma(s.Checkpoint.Inserted), humanize.Comma(s.Checkpoint.Duplicate), humanize.Comma(s.Checkpoint.Parked))
	add("letters", "%s", lettersOf(s))
	add("drift", "%s", driftOf(s))
	add("requests", "%s, %s retried, %s refused by the rate limit", humanize.Comma(int64(s.Traffic.Requests)),
		humanize.Comma(int64(s.Traffic.Retries)), humanize.Comma(int64(s.Traffic.RateLimited)))
	add("source", "reads from %s", s.Checkpoint.SourceURL)
	add("times", "%s", s.Now.Local().Format("UTC-07:00"))
	if _, err := io.WriteString(w, strings.Join(lines, "\n")+"\n"); err != nil || len(s.LastPages) == 0 {
		return err
	}
	if _, err := fmt.Fprintln(w, "last pages"); err != nil {
		return err
	}
	return lastPagesTable(s).write(w)
}

// describeFailedStart returns the name of a stream and why its first run failed.
func describeFailedStart(f domain.FailedStart) string {
	return fmt.Sprintf("%s: its first run failed at %s, before it stored a page: %s",
		f.Stream, f.At.Local().Format(time.DateTime+" -07:00"), escapeExceptEllipsis(f.Error))
}

// progressOf returns how far the pass is, in words.
func progressOf(s domain.StreamStatus) string {
	if s.Checkpoint.Seq == 0 {
		return "nothing stored yet"
	}
	read, total := s.Checkpoint.Offset, s.Checkpoint.AnnouncedLast
	state := "complete"
	if !s.Checkpoint.Done {
		state = "not complete"
		if percent, known := s.Checkpoint.PercentRead(); known {
			state = fmt.Sprintf("%d %% read", percent)
		}
	}
	if !total.Known {
		return fmt.Sprintf("%s, %s", state, quantity(read, "record", "records"))
	}
	return fmt.Sprintf("%s, %s of %s records", state, humanize.Comma(read), humanize.Comma(total.N))
}

// runnerOf returns whether a runner reads the stream, and what it waits for.
func runnerOf(s domain.StreamStatus) string {
	switch r := s.Runner; {
	case r == nil:
		return "none, and none has reported yet"
	case r.Activity == domain.ActivityFailed:
		return "none; the last one failed at " + timeAt(r.AliveAt, s.Now)
	case r.HasEnded():
		return "none; the last one ended at " + timeAt(r.AliveAt, s.Now)
	case !r.IsAlive(s.Now) && r.LeaseUntil.After(s.Now):
		return fmt.Sprintf("gone or frozen: no report since %s; its lease ends at %s", timeAt(r.AliveAt, s.Now), timeAt(r.LeaseUntil, s.Now))
	case !r.IsAlive(s.Now):
		return "gone or frozen: no report since " + timeAt(r.AliveAt, s.Now)
	case !r.HasLock && r.LeaseUntil.IsZero():
		return fmt.Sprintf("seen at %s, but it holds no lock: it was just killed, or has lost its connection", timeAt(r.AliveAt, s.Now))
	case r.Waits(s.Now) && r.Activity == domain.ActivityWaitingToStore:
		return "alive, database away, trying until " + timeAt(r.Until, s.Now)
	case r.Waits(s.Now):
		return fmt.Sprintf("alive, %s until %s", r.Activity, timeAt(r.Until, s.Now))
	}
	return "alive, working" // also after the end of a wait
}

// lettersOf returns the number of open dead letters, with their reasons.
func lettersOf(s domain.StreamStatus) string {
	if len(s.Open) == 0 {
		return "no open dead letters"
	}
	return fmt.Sprintf("%s: %s; see `pawl dlq list --summary`",
		quantity(s.OpenLetters(), "open dead letter", "open dead letters"), reasonsText(s.Open))
}

// reasonsText returns reasons with their counts, for example 4 bad timestamp, 2 conflict.
func reasonsText(counts []domain.ReasonCount) string {
	var reasons []string
	for _, c := range counts {
		reasons = append(reasons, humanize.Comma(c.Count)+" "+escapeExceptEllipsis(c.Reason))
	}
	return strings.Join(reasons, ", ")
}

// driftOf returns the number of entries in the drift register.
func driftOf(s domain.StreamStatus) string {
	if s.Drift.Entries == 0 {
		return "none"
	}
	return fmt.Sprintf("%s, counted %s; see `pawl drift`",
		quantity(s.Drift.Entries, "kind", "kinds"), quantity(s.Drift.Records, "time", "times"))
}

// lastPagesTable returns the last pages as a table, the last one first.
func lastPagesTable(s domain.StreamStatus) table {
	rows := table{{"  seq", "pass", "received", "inserted", "duplicate", "parked", "stored"}}
	for _, p := range s.LastPages {
		rows = append(rows, []string{
			"  " + formatID(p.Seq), formatID(p.Pass), humanize.Comma(p.Counts.Received), humanize.Comma(p.Counts.Inserted),
			humanize.Comma(p.Counts.Duplicate), humanize.Comma(p.Counts.Parked), timeAt(p.CommittedAt, s.Now),
		})
	}
	return rows
}

// statusTable returns a table with a row for each stream.
func statusTable(all []domain.StreamStatus) table {
	rows := table{{"stream", "progress", "letters", "last page", "runner"}}
	for _, s := range all {
		lastPage := "-"
		if len(s.LastPages) > 0 {
			lastPage = humanize.RelTime(s.LastPages[0].CommittedAt, s.Now, "ago", "from now")
		}
		rows = append(rows, []string{
			s.Checkpoint.Stream.String(), progressOf(s), humanize.Comma(s.OpenLetters()), lastPage, runnerWord(s),
		})
	}
	return rows
}

// runnerWord returns the state of the runner in a few words.
func runnerWord(s domain.StreamStatus) string {
	switch r := s.Runner; {
	case r == nil:
		return "none"
	case r.HasEnded():
		return string(r.Activity)
	case !r.IsAlive(s.Now):
		return "gone or frozen"
	case r.Waits(s.Now):
		return string(r.Activity)
	}
	return string(domain.ActivityWorking)
}

// timeAt returns a time with its distance from now, for example 2026-11-28 07:00:01 (3 minutes ago). The time is in the local zone.
func timeAt(at, now time.Time) string {
	return at.Local().Format(time.DateTime) + " (" + humanize.RelTime(at, now, "ago", "from now") + ")"
}

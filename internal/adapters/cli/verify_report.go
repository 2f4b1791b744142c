package cli

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/app/verify"
	"github.com/pawldata/pawl/internal/domain"
)

// printReport writes the report for a script or for a person.
func printReport(w io.Writer, r verify.Report, asJSON bool) error {
	write := writeReport
	if asJSON {
		write = writeReportJSON
	}
	return printError(write(w, r))
}

func writeReport(w io.Writer, r verify.Report) error {
	out := bufio.NewWriter(w)
	at := r.Stream.Checkpoint
	state := "not complete"
	if at.Done {
		state = "complete"
	}
	fmt.Fprintf(out, "stream %s: %s, pass %d, seq %d, %s events in %s pages, %s records parked\n",
		at.Stream, state, at.Pass, at.Seq, humanize.Comma(r.Stored), humanize.Comma(r.Stream.Pages), humanize.Comma(r.Parked))
	for _, f := range r.Findings {
		writeFinding(out, f)
	}
	for _, note := range notes(r) {
		fmt.Fprintln(out, "note:", note)
	}
	return out.Flush()
}

func writeFinding(out io.Writer, f domain.Finding) {
	result := "ok"
	if f.Differences > 0 {
		result = "FAILED"
	}
	fmt.Fprintf(out, "%-6s  %-10s  %s\n", result, f.Check, f.Check.Claim())
	for _, d := range f.Shown {
		fmt.Fprintf(out, "        %s\n", describeDifference(d))
	}
	if more := f.Differences - int64(len(f.Shown)); more > 0 {
		fmt.Fprintf(out, "        and %s more\n", humanize.Comma(more))
	}
}

// describeDifference returns one line: where a difference is and what it is.
func describeDifference(d domain.Difference) string {
	var where []string
	switch {
	case d.Seq > 0:
		where = append(where, fmt.Sprintf("page %d (seq %d, pass %d)", d.PageID, d.Seq, d.Pass))
	case d.PageID != 0:
		where = append(where, fmt.Sprintf("page %d", d.PageID))
	case d.Pass > 0:
		where = append(where, fmt.Sprintf("pass %d", d.Pass))
	}
	if d.Event != (domain.EventID{}) {
		where = append(where, "event "+d.Event.String())
	}
	if d.RequestID != "" {
		where = append(where, "request id "+strconv.QuoteToASCII(d.RequestID))
	}
	what := d.What
	if d.Against != "" {
		what = fmt.Sprintf("%s: %s; %s: %s", d.What, quoteText(d.Value), d.Against, quoteText(d.Found))
	}
	return strings.Join(append(where, what), ", ")
}

// maxValueLength is the length from which a value, mostly a cursor, is cut. --json has the whole value.
const maxValueLength = 60

// quoteText returns numbers, true and false unchanged. It quotes and cuts any other text, which may come from the API.
func quoteText(value string) string {
	if _, err := strconv.ParseInt(value, 10, 64); err == nil || value == "true" || value == "false" {
		return value
	}
	quoted := strconv.QuoteToASCII(value)
	if len(quoted) > maxValueLength {
		return quoted[:maxValueLength] + `…"`
	}
	return quoted
}

// notes returns the remarks of a report that are no differences.
func notes(r verify.Report) (all []string) {
	if note := announcedNote(r); note != "" {
		all = append(all, note)
	}
	all = append(all, changedTotalNotes(r)...)
	return append(all, walkNotes(r.Walk)...)
}

// announcedNote compares the announced total with what is stored and parked. It is empty if a check found a difference,
// because the counts may then be wrong.
func announcedNote(r verify.Report) string {
	at, total := r.Stream.Checkpoint, r.Stream.Checkpoint.AnnouncedFirst
	stored, parked, announced := humanize.Comma(r.Stored), humanize.Comma(r.Parked), humanize.Comma(total.N)
	switch more := total.N - r.Stored - r.Parked; {
	case !at.Done:
		return "the stream is not complete: the stored data was checked, but not yet compared with the announced total"
	case !total.Known:
		return "the API announced no total to compare the stream with"
	case slices.ContainsFunc(r.Inspection.Findings, func(f domain.Finding) bool { return f.Differences > 0 }):
		return ""
	case more > 0 && r.EndAccepted:
		return fmt.Sprintf("%s announced, %s stored + %s parked: the user accepted this end of the pass", announced, stored, parked)
	case more > 0:
		return fmt.Sprintf("%s announced = %s stored + %s parked + %s that the API returned twice, or another stream had stored",
			announced, stored, parked, humanize.Comma(more))
	case more < 0:
		return fmt.Sprintf("%s stored + %s parked, %s announced: the API announced more, or others, at another time",
			stored, parked, announced)
	}
	return fmt.Sprintf("%s announced = %s stored + %s parked", announced, stored, parked)
}

// changedTotalNotes returns, for a total that changed during the pass, both totals and how many records may not be read yet.
func changedTotalNotes(r verify.Report) (all []string) {
	at := r.Stream.Checkpoint
	first, last := at.AnnouncedFirst, at.AnnouncedLast
	if !at.Done || !first.Known || !last.Known || first == last {
		return nil
	}
	all = append(all, fmt.Sprintf("the API announced %s records when the pass began and %s when it ended",
		humanize.Comma(first.N), humanize.Comma(last.N)))
	if newer := last.N - r.Accounted(); newer > 0 && !r.EndAccepted {
		all = append(all, "up to "+quantity(newer,
			"newer event has not been read yet: `pawl run --new-pass` reads it",
			"newer events have not been read yet: `pawl run --new-pass` reads them"))
	}
	return all
}

// walkNotes returns what the API returned. It is empty without a walk.
func walkNotes(walk verify.Walk) (all []string) {
	if walk.Pages > 0 {
		all = append(all, fmt.Sprintf("the API returned %s in %s, %s of them parked",
			quantity(walk.Received, "record", "records"), quantity(walk.Pages, "page", "pages"), humanize.Comma(walk.Parked)))
	}
	if walk.New > 0 {
		all = append(all, quantity(walk.New,
			"record is new since the last pass: `pawl run --new-pass` stores it",
			"records are new since the last pass: `pawl run --new-pass` stores them"))
	}
	if walk.NotKept > 0 {
		all = append(all, fmt.Sprintf("%s already has %d open dead letters",
			quantity(walk.NotKept, "record was not stored: its event", "records were not stored: their event"), domain.MaxOpenDeadLetters))
	}
	return all
}

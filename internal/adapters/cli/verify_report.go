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

// printReport writes the report of a verification that ended with err as JSON or as text. The text ends in the line of reportVerdict.
func printReport(w io.Writer, r verify.Report, err error, asJSON bool) error {
	if asJSON {
		return outputError(writeReportJSON(w, r, err))
	}
	if writeErr := writeReport(w, r); writeErr != nil {
		return outputError(writeErr)
	}
	_, writeErr := fmt.Fprintln(w, reportVerdict(r, err))
	return outputError(writeErr)
}

// reportVerdict returns a line that says whether the stream is sound. It is not known if err ended the verification before its last check.
func reportVerdict(r verify.Report, err error) string {
	failed := 0
	for _, f := range r.Findings {
		if f.Differences > 0 {
			failed++
		}
	}
	checks := quantity(int64(len(r.Findings)), "check", "checks")
	switch {
	case failed > 0:
		return fmt.Sprintf("NOT SOUND: %d of %s failed", failed, checks)
	case !hasFinished(err):
		return "not known to be sound: the verification did not finish"
	}
	return "sound: " + checks + " found no difference"
}

// hasFinished reports whether a verification that ended with err made all its checks.
func hasFinished(err error) bool {
	return err == nil || domain.CodeOf(err) == domain.CodeVerifyDifferences
}

// writeReport writes the report for a person.
func writeReport(w io.Writer, r verify.Report) error {
	out := bufio.NewWriter(w)
	checkpoint := r.Stream.Checkpoint
	state := "not complete"
	if checkpoint.Done {
		state = "complete"
	}
	fmt.Fprintf(out, "stream %s: %s, pass %d, seq %d, %s in %s, %s parked\n",
		checkpoint.Stream, state, checkpoint.Pass, checkpoint.Seq,
		quantity(r.Stored, "event", "events"), quantity(r.Stream.Pages, "page", "pages"), quantity(r.Parked, "record", "records"))
	for _, f := range r.Findings {
		writeFinding(out, f)
	}
	for _, note := range reportNotes(r) {
		fmt.Fprintln(out, "note:", note)
	}
	return out.Flush()
}

// writeFinding writes the result of one check and its first differences.
func writeFinding(out io.Writer, f domain.Finding) {
	result := "ok"
	if f.Differences > 0 {
		result = "FAILED"
	}
	fmt.Fprintf(out, "%-6s  %-10s  %s\n", result, f.Check, f.Check.Statement())
	for _, d := range f.Shown {
		fmt.Fprintf(out, "        %s\n", describeDifference(d))
	}
	if more := f.Differences - int64(len(f.Shown)); more > 0 {
		fmt.Fprintf(out, "        and %s more\n", humanize.Comma(more))
	}
}

// describeDifference describes a difference in one line: first where the difference is (page, pass, event, request), then the two
// values, or a description if no values were compared.
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
	if d.OtherName != "" { // two values were compared
		what = fmt.Sprintf("%s: %s; %s: %s", d.What, quoteText(d.Value), d.OtherName, quoteText(d.OtherValue))
	}
	return strings.Join(append(where, what), ", ")
}

// maxValueLength is the maximum length of a quoted value. A longer value, usually a cursor, is cut; --json has the whole value.
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

// reportNotes returns remarks about a report that are not differences.
func reportNotes(r verify.Report) (all []string) {
	if note := announcedNote(r); note != "" {
		all = append(all, note)
	}
	all = append(all, changedTotalNotes(r)...)
	return append(all, walkNotes(r.Walk)...)
}

// announcedNote returns a sentence that compares the announced total with the number of stored and parked records, or says why they
// cannot be compared. If a check found a difference, the counts may be wrong, and announcedNote returns an empty text instead of a
// comparison.
func announcedNote(r verify.Report) string {
	total := r.Stream.Checkpoint.AnnouncedFirst
	stored, parked, announced := humanize.Comma(r.Stored), humanize.Comma(r.Parked), humanize.Comma(total.N)
	missing := total.N - r.Stored - r.Parked // negative if there are more than announced
	hasDifferences := slices.ContainsFunc(r.Inspection.Findings, func(f domain.Finding) bool { return f.Differences > 0 })
	switch {
	case !r.Stream.Checkpoint.Done:
		return "the stream is not complete: the stored data was checked, but not yet compared with the announced total"
	case !total.Known:
		return "the API announced no total to compare the stream with"
	case hasDifferences:
		return ""
	case missing > 0 && r.EndAccepted:
		return fmt.Sprintf("%s announced, %s stored + %s parked: the user accepted this end of the pass", announced, stored, parked)
	case missing > 0:
		return fmt.Sprintf("%s announced = %s stored + %s parked + %s that the API returned twice or that another stream had stored",
			announced, stored, parked, humanize.Comma(missing))
	case missing < 0:
		return fmt.Sprintf("%s stored + %s parked, but %s announced: at another time the API announced more events, or other events",
			stored, parked, announced)
	}
	return fmt.Sprintf("%s announced = %s stored + %s parked", announced, stored, parked)
}

// changedTotalNotes returns notes about a total that changed during a complete pass: both totals, and the largest number of events that
// may not have been read yet. It returns nil if the pass is not complete, or if the total did not change or is not known.
func changedTotalNotes(r verify.Report) (all []string) {
	checkpoint := r.Stream.Checkpoint
	first, last := checkpoint.AnnouncedFirst, checkpoint.AnnouncedLast
	hasChanged := first.Known && last.Known && first != last
	if !checkpoint.Done || !hasChanged {
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

// walkNotes returns notes about the records that the API returned. It returns nil if there was no walk.
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
		all = append(all, quantity(walk.NotKept,
			fmt.Sprintf("record was not stored: its event already has %d open dead letters", domain.MaxOpenDeadLetters),
			fmt.Sprintf("records were not stored: their event already has %d open dead letters", domain.MaxOpenDeadLetters)))
	}
	return all
}

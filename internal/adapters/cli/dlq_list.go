package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/domain"
)

type dlqListCommand struct {
	Reason  string `name:"reason" placeholder:"REASON" help:"Only dead letters that were parked for this reason."`
	Page    int64  `name:"page" placeholder:"ID" help:"Only dead letters that were parked by the page with this id in the ledger."`
	Since   string `name:"since" placeholder:"TIME" help:"Only dead letters that were parked at this time or later: 2026-11-24T19:30:00Z, or a day, which means 0:00 UTC of this day."`
	Until   string `name:"until" placeholder:"TIME" help:"Only dead letters that were parked before this time."`
	State   string `name:"state" enum:"open,resolved,all" default:"open" placeholder:"STATE" help:"Only dead letters in this state: open, resolved or all."`
	Limit   int    `name:"limit" default:"50" placeholder:"N" help:"Maximum number to list, 1 to 1000."`
	After   int64  `name:"after" placeholder:"ID" help:"Only dead letters with a greater id. The list is in the order of ids."`
	Summary bool   `name:"summary" help:"Count the dead letters by reason, with a sample for each reason. --limit and --after have no effect."`
	JSON    bool   `name:"json" help:"Print one JSON object."`
}

// maxListed is the maximum number of dead letters in one list.
const maxListed = 1000

// Run executes `pawl dlq list`. kong calls it.
func (c *dlqListCommand) Run(s *session) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	if c.Summary {
		return c.printReasons(s, filter)
	}
	var letters []domain.DeadLetter
	var others []domain.ReasonCount // of dead letters with another reason, if there is none with this one
	more := false
	err = withDatabase(s, s.openReader, func(ctx context.Context, reader Reader) (err error) {
		letters, more, err = reader.DeadLetters(ctx, s.settings.Stream, filter, domain.DeadLetterRange{After: c.After, Limit: c.Limit})
		if err == nil && len(letters) == 0 {
			others, err = otherReasons(ctx, reader, s.settings.Stream, filter)
		}
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return outputError(writeLettersJSON(s.Stdout, s.settings.Stream, letters, more))
	}
	if len(letters) == 0 {
		return c.printNone(s, others)
	}
	return outputError(c.write(s.Stdout, letters, more))
}

// otherReasons returns the reasons that dead letters have, if the filter selects by reason and no dead letter has its reason. The filter's
// other conditions hold.
func otherReasons(ctx context.Context, reader Reader, stream domain.StreamID, filter domain.DeadLetterFilter) ([]domain.ReasonCount, error) {
	wanted := filter.Reason
	if wanted == "" {
		return nil, nil
	}
	filter.Reason = ""
	counts, err := reader.DeadLetterReasons(ctx, stream, filter)
	if slices.ContainsFunc(counts, func(c domain.ReasonCount) bool { return c.Reason == wanted }) {
		return nil, err
	}
	return counts, err
}

// filter checks the flags and returns the filter that they describe. It only checks --limit, which is no part of the filter.
func (c *dlqListCommand) filter() (f domain.DeadLetterFilter, err error) {
	f = domain.DeadLetterFilter{State: domain.DeadLetterState(c.State), Reason: c.Reason, PageID: c.Page}
	if c.Limit < 1 || c.Limit > maxListed {
		return f, settings.Invalid("--limit", fmt.Sprintf("%d should be a whole number from 1 to %d", c.Limit, maxListed))
	}
	if f.Since, err = parseTime("--since", c.Since); err != nil {
		return f, err
	}
	f.Until, err = parseTime("--until", c.Until)
	return f, err
}

// parseTime parses a time or a day. It returns the zero time for an empty text. An error names the flag.
func parseTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} { // a day without a time zone means 0:00 UTC
		if parsed, err := time.Parse(layout, text); err == nil {
			return parsed, nil
		}
	}
	return time.Time{}, settings.Invalid(flag, fmt.Sprintf("%q should be a time like 2026-11-24T19:30:00Z, or a day like 2026-11-24", text))
}

// write writes the list as a table. The table has a column for the resolution if the list may have resolved dead letters. After the
// table, write adds notes about records that were only counted. If more is true, other dead letters follow after the last of the
// list, and write adds how to list them.
func (c *dlqListCommand) write(w io.Writer, letters []domain.DeadLetter, more bool) error {
	mayBeResolved := c.State != string(domain.DeadLettersOpen)
	headings := []string{"id", "parked", "reason", "field", "seen", "event id"}
	if mayBeResolved {
		headings = append(headings, "resolved")
	}
	rows := table{append(headings, "detail")}
	for _, letter := range letters {
		row := []string{
			formatID(letter.ID), letter.ParkedAt.Format(time.RFC3339), escapeExceptEllipsis(letter.Why.Reason),
			dashIfEmpty(escapeExceptEllipsis(letter.Why.Field)), formatID(letter.Seen), dashIfEmpty(eventIDOf(letter)),
		}
		if mayBeResolved {
			row = append(row, stateOf(letter))
		}
		rows = append(rows, append(row, escapeExceptEllipsis(letter.Why.Detail)))
	}
	if err := rows.write(w); err != nil {
		return err
	}
	for _, letter := range letters {
		if letter.Others > 0 {
			if _, err := fmt.Fprintf(w, "dead letter %d: %s\n", letter.ID, othersNote(letter.Others)); err != nil {
				return err
			}
		}
	}
	if !more {
		return nil
	}
	_, err := fmt.Fprintf(w, "there are more: --after %d lists the next ones\n", letters[len(letters)-1].ID)
	return err
}

// printNone prints that there is no dead letter. If others have other reasons, it names the reasons.
func (c *dlqListCommand) printNone(s *session, others []domain.ReasonCount) error {
	kind := c.State + " dead letters"
	if c.State == string(domain.DeadLettersAll) {
		kind = "dead letters"
	}
	text := "no " + kind
	isFiltered := c.Reason != "" || c.Page != 0 || c.Since != "" || c.Until != "" || c.After != 0
	switch {
	case len(others) > 0:
		text += fmt.Sprintf(" with the reason %s; there are: %s", strconv.QuoteToASCII(c.Reason), reasonsText(others))
	case isFiltered:
		text = "no such " + kind
	}
	_, err := fmt.Fprintf(s.Stdout, "stream %s: %s\n", s.settings.Stream, text)
	return outputError(err)
}

// printReasons prints the number of dead letters for each reason. It ignores --after and --limit, because these flags select a part
// of a list.
func (c *dlqListCommand) printReasons(s *session, filter domain.DeadLetterFilter) error {
	var counts, others []domain.ReasonCount
	err := withDatabase(s, s.openReader, func(ctx context.Context, reader Reader) (err error) {
		counts, err = reader.DeadLetterReasons(ctx, s.settings.Stream, filter)
		if err == nil && len(counts) == 0 {
			others, err = otherReasons(ctx, reader, s.settings.Stream, filter)
		}
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return outputError(writeReasonsJSON(s.Stdout, s.settings.Stream, counts))
	}
	if len(counts) == 0 {
		return c.printNone(s, others)
	}
	rows := table{{"letters", "reason", "sample id", "field", "detail"}}
	for _, n := range counts {
		rows = append(rows, []string{
			humanize.Comma(n.Count), escapeExceptEllipsis(n.Reason), formatID(n.Sample.ID),
			dashIfEmpty(escapeExceptEllipsis(n.Sample.Why.Field)), escapeExceptEllipsis(n.Sample.Why.Detail),
		})
	}
	return outputError(rows.write(s.Stdout))
}

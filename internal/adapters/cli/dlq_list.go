package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/domain"
)

type dlqListCommand struct {
	Reason  string `name:"reason" placeholder:"REASON" help:"Only those parked for this reason."`
	Page    int64  `name:"page" placeholder:"ID" help:"Only those that this page parked, by its id in the ledger."`
	Since   string `name:"since" placeholder:"TIME" help:"Only those parked at this time or later: 2026-11-24T19:30:00Z, or a day, which begins at 0:00 UTC."`
	Until   string `name:"until" placeholder:"TIME" help:"Only those parked before this time."`
	State   string `name:"state" enum:"open,resolved,all" default:"open" placeholder:"STATE" help:"open, resolved or all."`
	Limit   int    `name:"limit" default:"50" placeholder:"N" help:"Maximum number to list, 1 to 1000."`
	After   int64  `name:"after" placeholder:"ID" help:"Only those with a greater id. The list is in the order of ids."`
	Summary bool   `name:"summary" help:"Count all of them by reason, with one sample each."`
	JSON    bool   `name:"json" help:"Print one JSON object."`
}

// maxListed is the maximum number of dead letters in one list.
const maxListed = 1000

// Run is called by kong.
func (c *dlqListCommand) Run(s *session) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	if c.Summary {
		return c.printReasons(s, filter)
	}
	var letters []domain.DeadLetter
	more := false
	err = withDatabase(s, s.wiring.Reader, func(ctx context.Context, reader Reader) (err error) {
		letters, more, err = reader.DeadLetters(ctx, s.settings.Stream, filter, domain.DeadLetterRange{After: c.After, Limit: c.Limit})
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printError(writeLettersJSON(s.Stdout, s.settings.Stream, letters, more))
	}
	return printError(c.write(s.Stdout, s.settings.Stream, letters, more))
}

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

// parseTime parses a time or a day. It returns the zero time for an empty text.
func parseTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, settings.Invalid(flag, fmt.Sprintf("%q should be a time like 2026-11-24T19:30:00Z, or a day like 2026-11-24", text))
}

func (c *dlqListCommand) write(w io.Writer, stream domain.StreamID, letters []domain.DeadLetter, more bool) error {
	if len(letters) == 0 {
		_, err := fmt.Fprintf(w, "stream %s: %s\n", stream, c.emptyText())
		return err
	}
	withState := c.State != string(domain.DeadLettersOpen)
	rows := table{{"id", "parked", "reason", "field", "seen", "event id", "detail"}}
	if withState {
		rows[0] = append(rows[0][:6:6], "resolved", "detail")
	}
	for _, l := range letters {
		row := []string{
			formatID(l.ID), l.ParkedAt.Format(time.RFC3339), escapeQuoting(l.Why.Reason), orDash(escapeQuoting(l.Why.Field)),
			formatID(l.Seen), orDash(eventIDOf(l)),
		}
		if withState {
			row = append(row, stateOf(l))
		}
		rows = append(rows, append(row, escapeQuoting(l.Why.Detail)))
	}
	if err := rows.write(w); err != nil {
		return err
	}
	for _, l := range letters {
		if l.Others > 0 {
			if _, err := fmt.Fprintf(w, "dead letter %d: %s\n", l.ID, othersNote(l.Others)); err != nil {
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

// emptyText returns the text for an empty list.
func (c *dlqListCommand) emptyText() string {
	kind := c.State + " "
	if c.State == string(domain.DeadLettersAll) {
		kind = ""
	}
	if c.Reason != "" || c.Page != 0 || c.Since != "" || c.Until != "" || c.After != 0 {
		return "no such " + kind + "dead letters"
	}
	return "no " + kind + "dead letters"
}

// printReasons prints the number of dead letters for each reason. It ignores --after and --limit, which are for a list.
func (c *dlqListCommand) printReasons(s *session, filter domain.DeadLetterFilter) error {
	var counts []domain.ReasonCount
	err := withDatabase(s, s.wiring.Reader, func(ctx context.Context, reader Reader) (err error) {
		counts, err = reader.DeadLetterReasons(ctx, s.settings.Stream, filter)
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printError(writeReasonsJSON(s.Stdout, s.settings.Stream, counts))
	}
	if len(counts) == 0 {
		_, err := fmt.Fprintf(s.Stdout, "stream %s: %s\n", s.settings.Stream, c.emptyText())
		return printError(err)
	}
	rows := table{{"letters", "reason", "sample id", "field", "detail"}}
	for _, n := range counts {
		rows = append(rows, []string{
			humanize.Comma(n.Count), escapeQuoting(n.Reason), formatID(n.Sample.ID),
			orDash(escapeQuoting(n.Sample.Why.Field)), escapeQuoting(n.Sample.Why.Detail),
		})
	}
	return printError(rows.write(s.Stdout))
}

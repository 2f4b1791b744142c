package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/domain"
)

type dlqListCommand struct {
	Reason  string `name:"reason" placeholder:"REASON" help:"Those parked for this reason."`
	Page    int64  `name:"page" placeholder:"ID" help:"Those that this page parked, by its id in the ledger."`
	Since   string `name:"since" placeholder:"TIME" help:"Those parked at this time or later: 2026-11-24T19:30:00Z, or a day, which begins at 0:00 UTC."`
	Until   string `name:"until" placeholder:"TIME" help:"Those parked before this time."`
	State   string `name:"state" enum:"open,resolved,all" default:"open" placeholder:"STATE" help:"open, resolved or all."`
	Limit   int    `name:"limit" default:"50" placeholder:"N" help:"How many to list at most, 1 to 1000."`
	After   int64  `name:"after" placeholder:"ID" help:"Those behind this letter: the list is in order of id."`
	Summary bool   `name:"summary" help:"Count all of them by reason, with one sample each."`
	JSON    bool   `name:"json" help:"Print one JSON object."`
}

// mostListed is how many letters one list may hold.
const mostListed = 1000

// Run is called by kong.
func (c *dlqListCommand) Run(s *session) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	if c.Summary {
		return c.summarise(s, filter)
	}
	var letters []domain.DeadLetter
	more := false
	err = s.withLetters(func(ctx context.Context, l Letters) (err error) {
		letters, more, err = l.List(ctx, s.settings.Stream, filter, domain.DeadLetterRange{After: c.After, Limit: c.Limit})
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printed(writeLettersJSON(s.Stdout, s.settings.Stream, letters, more))
	}
	return printed(c.write(s.Stdout, s.settings.Stream, letters, more))
}

func (c *dlqListCommand) filter() (f domain.DeadLetterFilter, err error) {
	f = domain.DeadLetterFilter{State: domain.DeadLetterState(c.State), Reason: c.Reason, PageID: c.Page}
	if c.Limit < 1 || c.Limit > mostListed {
		return f, invalid("--limit", fmt.Sprintf("%d should be a whole number from 1 to %d", c.Limit, mostListed))
	}
	if f.Since, err = moment("--since", c.Since); err != nil {
		return f, err
	}
	f.Until, err = moment("--until", c.Until)
	return f, err
}

// moment reads a time as users give it; nothing is no time.
func moment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, invalid(flag, fmt.Sprintf("%q should be a time like 2026-11-24T19:30:00Z, or a day like 2026-11-24", text))
}

func (c *dlqListCommand) write(w io.Writer, stream domain.StreamID, letters []domain.DeadLetter, more bool) error {
	if len(letters) == 0 {
		_, err := fmt.Fprintf(w, "stream %s: %s\n", stream, c.none())
		return err
	}
	withState := c.State != string(domain.DeadLettersOpen)
	rows := table{{"id", "parked", "reason", "field", "seen", "event id", "detail"}}
	if withState {
		rows[0] = append(rows[0][:6:6], "resolved", "detail")
	}
	for _, l := range letters {
		row := []string{
			decimal(l.ID), l.ParkedAt.Format(time.RFC3339), words(l.Why.Reason), orDash(words(l.Why.Field)), decimal(l.Seen), orDash(idOf(l)),
		}
		if withState {
			row = append(row, resolvedAs(l))
		}
		rows = append(rows, append(row, words(l.Why.Detail)))
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
	_, err := fmt.Fprintf(w, "there are more: the next ones with --after %d\n", letters[len(letters)-1].ID)
	return err
}

// none is what is said where there is nothing to list.
func (c *dlqListCommand) none() string {
	kind := c.State + " "
	if c.State == string(domain.DeadLettersAll) {
		kind = ""
	}
	if c.Reason != "" || c.Page != 0 || c.Since != "" || c.Until != "" || c.After != 0 {
		return "no such " + kind + "dead letters"
	}
	return "no " + kind + "dead letters"
}

// summarise counts, and leaves --after and --limit alone, which are for a list.
func (c *dlqListCommand) summarise(s *session, filter domain.DeadLetterFilter) error {
	var counts []domain.ReasonCount
	err := s.withLetters(func(ctx context.Context, l Letters) (err error) {
		counts, err = l.Reasons(ctx, s.settings.Stream, filter)
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printed(writeReasonsJSON(s.Stdout, s.settings.Stream, counts))
	}
	if len(counts) == 0 {
		_, err := fmt.Fprintf(s.Stdout, "stream %s: %s\n", s.settings.Stream, c.none())
		return printed(err)
	}
	rows := table{{"letters", "reason", "sample id", "field", "detail"}}
	for _, n := range counts {
		rows = append(rows, []string{
			humanize.Comma(n.Count), words(n.Reason), decimal(n.Sample.ID), orDash(words(n.Sample.Why.Field)), words(n.Sample.Why.Detail),
		})
	}
	return printed(rows.write(s.Stdout))
}

func idOf(l domain.DeadLetter) string {
	if l.Why.ID == (domain.EventID{}) {
		return ""
	}
	return l.Why.ID.String()
}

func resolvedAs(l domain.DeadLetter) string {
	if l.Resolved == nil {
		return "open"
	}
	return l.Resolved.How
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

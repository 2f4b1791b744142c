package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/domain"
)

type dlqCommand struct {
	List    dlqListCommand    `cmd:"" example:"pawl dlq list --summary" help:"List dead letters, or count them by reason."`
	Show    dlqShowCommand    `cmd:"" example:"pawl dlq show 1" help:"Show everything about one dead letter."`
	Replay  dlqReplayCommand  `cmd:"" example:"pawl dlq replay --reason 'bad timestamp'" help:"Decode dead letters again, and store those that can become events now."`
	Discard dlqDiscardCommand `cmd:"" example:"pawl dlq discard 1 --why 'test data'" help:"Resolve a dead letter that nobody needs. The dead letter stays in the database, with the reason."`
}

type dlqShowCommand struct {
	ID   int64 `arg:"" name:"id" help:"The dead letter's id, as pawl dlq list prints it."`
	Raw  bool  `name:"raw" xor:"form" help:"Write the bytes of the record unchanged, and nothing else."`
	JSON bool  `name:"json" xor:"form" help:"Print one JSON object, with the record in base64 and, if it is UTF-8, as text."`
}

// Run executes `pawl dlq show`. kong calls it.
func (c *dlqShowCommand) Run(s *session) error {
	var letter domain.DeadLetter
	err := withDatabase(s, s.openReader, func(ctx context.Context, reader Reader) (err error) {
		letter, err = reader.DeadLetter(ctx, s.settings.Stream, c.ID)
		return err
	})
	if err != nil {
		return err
	}
	switch {
	case c.Raw:
		_, err = s.Stdout.Write(letter.Payload)
	case c.JSON:
		err = writeShownJSON(s.Stdout, s.settings.Stream, letter)
	default:
		err = writeLetter(s.Stdout, s.settings.Stream, letter)
	}
	return outputError(err)
}

// writeLetter writes everything about a dead letter for a person. It escapes all text that may come from the record.
func writeLetter(w io.Writer, stream domain.StreamID, letter domain.DeadLetter) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "letter %d of stream %s: %s\n", letter.ID, stream, stateOf(letter))
	writeField := func(name, value string) { fmt.Fprintf(out, "%-9s  %s\n", name, dashIfEmpty(value)) }
	writeField("reason", escapeExceptEllipsis(letter.Why.Reason))
	writeField("field", escapeExceptEllipsis(letter.Why.Field))
	writeField("detail", escapeExceptEllipsis(letter.Why.Detail))
	writeField("event id", eventIDOf(letter))
	writeField("key", escapeToASCII(string(letter.Key)))
	writeField("parked", fmt.Sprintf("%s, by page %d, record at index %d", letter.ParkedAt.Format(time.RFC3339), letter.PageID, letter.Index))
	writeField("seen", formatTimes(letter.Seen))
	if letter.Others > 0 {
		writeField("others", othersNote(letter.Others))
	}
	writeField("replayed", formatTimes(letter.Replays))
	if r := letter.Resolved; r != nil {
		by := "by hand"
		if r.PageID != 0 {
			by = fmt.Sprintf("by page %d", r.PageID)
		}
		writeField("resolved", fmt.Sprintf("%s, %s: %s", r.At.Format(time.RFC3339), by, escapeUnprintable(r.Why)))
	}
	payload := escapeToASCII(string(letter.Payload))
	note := ""
	if payload != string(letter.Payload) {
		note = ", escaped here"
	}
	writeField("record", fmt.Sprintf("%s bytes%s; --raw writes them unchanged", humanize.Comma(int64(len(letter.Payload))), note))
	fmt.Fprintf(out, "%s\n", payload)
	return out.Flush()
}

type dlqDiscardCommand struct {
	ID   int64  `arg:"" name:"id" help:"The dead letter's id, as pawl dlq list prints it."`
	Why  string `name:"why" required:"" placeholder:"TEXT" help:"The reason, 1 to 1,000 characters. It is stored with the dead letter."`
	JSON bool   `name:"json" help:"Print one JSON object."`
}

// Run executes `pawl dlq discard`. kong calls it.
func (c *dlqDiscardCommand) Run(s *session) error {
	why, err := parseWhy(c.Why)
	if err != nil {
		return err
	}
	err = withDatabase(s, s.openAdmin, func(ctx context.Context, admin Admin) error {
		return admin.DiscardDeadLetter(ctx, s.settings.Stream, c.ID, why)
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return outputError(writeASCIIJSON(s.Stdout, discardJSON{
			Stream: s.settings.Stream.String(), ID: c.ID, How: domain.ResolvedByDiscard, Why: why,
		}))
	}
	_, err = fmt.Fprintf(s.Stdout, "letter %d of stream %s: discarded\n", c.ID, s.settings.Stream)
	return outputError(err)
}

// maxWhyLength is the maximum number of characters in the text of --why.
const maxWhyLength = 1000

// parseWhy returns the text of --why without the white space around it. It returns an Invalid error if the result is empty or longer
// than maxWhyLength.
func parseWhy(text string) (string, error) {
	why := strings.TrimSpace(text)
	if n := utf8.RuneCountInString(why); n == 0 || n > maxWhyLength {
		return "", settings.Invalid("--why", fmt.Sprintf("%d characters; it should have 1 to %d", n, maxWhyLength))
	}
	return why, nil
}

// eventIDOf returns the id of a dead letter's event, or an empty text if the record has no readable id.
func eventIDOf(l domain.DeadLetter) string {
	if l.Why.ID == (domain.EventID{}) {
		return ""
	}
	return l.Why.ID.String()
}

// stateOf returns "open", or how a dead letter was resolved.
func stateOf(l domain.DeadLetter) string {
	if l.Resolved == nil {
		return "open"
	}
	return l.Resolved.How
}

// othersNote returns a sentence about the n records that a dead letter only counts. They were not stored, because their event had too
// many dead letters.
func othersNote(n int64) string {
	return quantity(n, "more record of this event with other bytes was counted here and not stored",
		"more records of this event with other bytes were counted here and not stored")
}

// formatTimes returns n as a number of times: once, 2 times, 3 times.
func formatTimes(n int64) string {
	if n == 1 {
		return "once"
	}
	return humanize.Comma(n) + " times"
}

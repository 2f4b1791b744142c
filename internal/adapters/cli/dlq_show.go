package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/domain"
)

type dlqShowCommand struct {
	ID   int64 `arg:"" name:"id" help:"The letter, as pawl dlq list names it."`
	Raw  bool  `name:"raw" xor:"form" help:"Write the record's bytes as they came, and nothing else."`
	JSON bool  `name:"json" xor:"form" help:"Print one JSON object, with the record's bytes in base64 and, if they are UTF-8, as text."`
}

// Run is called by kong.
func (c *dlqShowCommand) Run(s *session) error {
	var letter domain.DeadLetter
	err := s.withLetters(func(ctx context.Context, l Letters) (err error) {
		letter, err = l.Letter(ctx, s.settings.Stream, c.ID)
		return err
	})
	if err != nil {
		return err
	}
	switch {
	case c.Raw:
		_, err = s.Stdout.Write(letter.Payload)
	case c.JSON:
		err = writeLetterJSON(s.Stdout, s.settings.Stream, letter)
	default:
		err = writeLetter(s.Stdout, s.settings.Stream, letter)
	}
	return printed(err)
}

func writeLetter(w io.Writer, stream domain.StreamID, l domain.DeadLetter) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "letter %d of stream %s: %s\n", l.ID, stream, resolvedAs(l))
	field := func(name, value string) { fmt.Fprintf(out, "%-9s  %s\n", name, orDash(value)) }
	field("reason", words(l.Why.Reason))
	field("field", words(l.Why.Field))
	field("detail", words(l.Why.Detail))
	field("event id", idOf(l))
	field("key", ascii(string(l.Key)))
	field("parked", fmt.Sprintf("%s, by page %d, record at index %d", l.ParkedAt.Format(time.RFC3339), l.PageID, l.Index))
	field("seen", times(l.Seen))
	if l.Others > 0 {
		field("others", othersNote(l.Others))
	}
	field("replayed", times(l.Replays))
	if r := l.Resolved; r != nil {
		by := "by hand"
		if r.PageID != 0 {
			by = fmt.Sprintf("by page %d", r.PageID)
		}
		field("resolved", fmt.Sprintf("%s, %s: %s", r.At.Format(time.RFC3339), by, printable(r.Why)))
	}
	payload := ascii(string(l.Payload))
	note := ""
	if payload != string(l.Payload) {
		note = ", here escaped"
	}
	field("record", fmt.Sprintf("%s bytes%s; --raw writes them as they are", humanize.Comma(int64(len(l.Payload))), note))
	fmt.Fprintf(out, "%s\n", payload)
	return out.Flush()
}

// othersNote says what became of records for which there was no room.
func othersNote(n int64) string {
	if n == 1 {
		return "1 more record of this event with other bytes was counted here and not kept"
	}
	return humanize.Comma(n) + " more records of this event with other bytes were counted here and not kept"
}

func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return humanize.Comma(n) + " times"
}

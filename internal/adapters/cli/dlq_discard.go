package cli

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/pawldata/pawl/internal/domain"
)

type dlqDiscardCommand struct {
	ID   int64  `arg:"" name:"id" help:"The letter, as pawl dlq list names it."`
	Why  string `name:"why" required:"" placeholder:"TEXT" help:"The reason, for those who look at it later; 1 to 1,000 characters."`
	JSON bool   `name:"json" help:"Print one JSON object."`
}

// Run is called by kong.
func (c *dlqDiscardCommand) Run(s *session) error {
	why, err := whyOf(c.Why)
	if err != nil {
		return err
	}
	err = s.withLetters(func(ctx context.Context, l Letters) error {
		return l.Discard(ctx, s.settings.Stream, c.ID, why)
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printed(writeASCIIJSON(s.Stdout, discardJSON{s.settings.Stream.String(), c.ID, domain.ResolvedByDiscard, why}))
	}
	_, err = fmt.Fprintf(s.Stdout, "letter %d of stream %s: discarded\n", c.ID, s.settings.Stream)
	return printed(err)
}

// mostWhy is how many characters a reason may have.
const mostWhy = 1000

// whyOf is the reason as it is stored.
func whyOf(text string) (string, error) {
	why := strings.TrimSpace(text)
	if n := utf8.RuneCountInString(why); n == 0 || n > mostWhy {
		return "", invalid("--why", fmt.Sprintf("%d characters, which should be 1 to %d", n, mostWhy))
	}
	return why, nil
}

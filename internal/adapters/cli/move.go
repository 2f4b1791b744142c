package cli

import (
	"context"
	"fmt"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/domain"
)

type moveCommand struct {
	From string `name:"from" required:"" placeholder:"URL" help:"The URL that the stream reads from now, as pawl status prints it."`
}

// Help is kong's detailed help.
func (c *moveCommand) Help() string {
	return "The new URL is API_BASE_URL. It must be the same API, because the stored events and the stream's position stay: " +
		"the next run asks the new URL for what follows. A run that is in progress ends with exit code 5."
}

// A Mover changes the URL that a stream reads from.
type Mover interface {
	Move(ctx context.Context, stream domain.StreamID, source, target string) error
}

// Run is called by kong.
func (c *moveCommand) Run(s *session) error {
	if s.settings.APIBaseURL == "" {
		return settings.Missing("API_BASE_URL", "the API's new base URL, like https://host/api/v1")
	}
	target, err := s.wiring.NormalizeURL(s.settings.APIBaseURL)
	if err != nil {
		return err
	}
	source, err := s.wiring.NormalizeURL(c.From)
	if err != nil {
		return settings.Invalid("--from", fmt.Sprintf("%v; it should be the URL that pawl status prints", domain.AsError(err).Err))
	}
	if source == target {
		return settings.Invalid("--from", "it is the same as API_BASE_URL; set API_BASE_URL to the new URL")
	}
	err = withDatabase(s, s.wiring.Move, func(ctx context.Context, mover Mover) error {
		return mover.Move(ctx, s.settings.Stream, source, target)
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Stdout, "stream %s: it read from %s, and reads from %s from the next run on\n", s.settings.Stream, source, target)
	return printError(err)
}

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

// Run is called by kong.
func (c *moveCommand) Run(s *session) error {
	if s.settings.APIBaseURL == "" {
		return settings.Missing("API_BASE_URL", "the API's new base URL, like https://host/api/v1")
	}
	to, err := s.wiring.NormalizeURL(s.settings.APIBaseURL)
	if err != nil {
		return err
	}
	from, err := s.wiring.NormalizeURL(c.From)
	if err != nil {
		return settings.Invalid("--from", fmt.Sprintf("%v; it should be the URL that pawl status prints", domain.AsError(err).Err))
	}
	if from == to {
		return settings.Invalid("--from", "it is the same as API_BASE_URL; set API_BASE_URL to the new URL")
	}
	err = withDatabase(s, s.wiring.Admin, func(ctx context.Context, admin Admin) error {
		return admin.MoveStream(ctx, s.settings.Stream, from, to)
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Stdout, "stream %s: it read from %s, and reads from %s from the next run on\n", s.settings.Stream, from, to)
	return printError(err)
}

package cli

import (
	"context"
	"fmt"

	"github.com/pawldata/pawl/internal/domain"
)

type moveCommand struct {
	From string `name:"from" required:"" placeholder:"URL" help:"The address that the stream reads from now, as pawl status prints it."`
}

// Help is kong's detailed help.
func (c *moveCommand) Help() string {
	return "The new address is API_BASE_URL. What is stored and where the stream stands stay as they are, so it must be the same API: " +
		"the next run asks the new address for what follows. A run that is still at work ends with exit code 5."
}

// A Mover changes the address that a stream remembers as its API's.
type Mover interface {
	Move(ctx context.Context, stream domain.StreamID, source, target string) error
}

// Run is called by kong.
func (c *moveCommand) Run(s *session) error {
	if s.settings.APIBaseURL == "" {
		return missing("API_BASE_URL", "the API's new address, like https://host/api/v1")
	}
	target, err := s.wiring.NormalizeURL(s.settings.APIBaseURL)
	if err != nil {
		return err
	}
	source, err := s.wiring.NormalizeURL(c.From)
	if err != nil {
		return invalid("--from", fmt.Sprintf("%v; it should be the address that pawl status prints", domain.AsError(err).Err))
	}
	if source == target {
		return invalid("--from", "it is already API_BASE_URL; set API_BASE_URL to the new address")
	}
	_, closeDatabase, err := s.openDatabase()
	if err != nil {
		return err
	}
	defer closeDatabase()
	mover, release, err := s.wiring.Move(s.ctx, s.settings)
	if err != nil {
		return err
	}
	defer release()
	err = s.try(func(ctx context.Context) error { return mover.Move(ctx, s.settings.Stream, source, target) })
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Stdout, "stream %s: it read from %s, and reads from %s from the next run on\n", s.settings.Stream, source, target)
	return printed(err)
}

package cli

import (
	"context"
	"fmt"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/domain"
)

type moveCommand struct {
	From string `name:"from" required:"" placeholder:"URL" help:"The stream's source URL before the move, as pawl status prints it."`
}

// Help returns the details for `pawl move --help`. kong calls it.
func (c *moveCommand) Help() string {
	return "API_BASE_URL is the new URL. It must be the same API, because pawl keeps the stored events and the stream's position, " +
		"and the next run continues from this position at the new URL. If a run is in progress, it ends with exit code 5."
}

// Run executes `pawl move`. kong calls it.
func (c *moveCommand) Run(s *session) error {
	if s.settings.APIBaseURL == "" {
		return settings.Missing(settings.Wanted{Name: "API_BASE_URL", Want: "the API's new base URL, like https://host/api/v1"})
	}
	to, err := s.wiring.NormalizeURL(s.settings.APIBaseURL)
	if err != nil {
		return err
	}
	from, err := s.wiring.NormalizeURL(c.From)
	if err != nil {
		cause := domain.AsError(err).Err // without the operation and the hint, which are about API_BASE_URL
		return settings.Invalid("--from", fmt.Sprintf("%v; it should be the URL that pawl status prints", cause))
	}
	if from == to {
		return settings.Invalid("--from", "it equals API_BASE_URL; set API_BASE_URL to the new URL")
	}
	err = withDatabase(s, s.openAdmin, func(ctx context.Context, admin Admin) error {
		return admin.MoveStream(ctx, s.settings.Stream, from, to)
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Stdout, "stream %s: the source URL was %s and is now %s\n", s.settings.Stream, from, to)
	return outputError(err)
}

package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/domain"
)

type statusCommand struct {
	JSON      bool           `name:"json" xor:"json" help:"Print one JSON object for each stream. It has the fields of run --json, for all runs together, and more."`
	Watch     bool           `name:"watch" xor:"watch" help:"Print the status again every 2 s, until ^C."`
	Check     bool           `name:"check" xor:"json,watch" help:"Print one line that says whether all is well. Exit 0 if it is, else 4."`
	MaxAge    *time.Duration `name:"max-age" placeholder:"TIME" help:"With --check: the greatest time since the last page was stored, for example 2h."`
	MaxParked *int64         `name:"max-parked" placeholder:"N" help:"With --check: the greatest number of open dead letters."`
}

// Run executes `pawl status`. kong calls it.
func (c *statusCommand) Run(s *session) error {
	limits, err := c.limits()
	if err != nil {
		return err
	}
	if c.Watch {
		return c.watch(s)
	}
	var all []domain.StreamStatus
	err = withDatabase(s, s.wiring.Reader, func(ctx context.Context, reader Reader) (err error) {
		all, err = readStatus(ctx, s, reader)
		return err
	})
	switch {
	case err != nil:
		return err
	case c.Check:
		return printHealth(s.Stdout, all, limits)
	}
	return outputError(c.print(s.Stdout, all))
}

// readStatus returns the status of the stream that the user named. If the user named none, it returns the status of every stream in the
// database.
func readStatus(ctx context.Context, s *session, reader Reader) (all []domain.StreamStatus, err error) {
	streams := []domain.StreamID{s.settings.Stream}
	isNamed := s.origins[streamFlag] != settings.Origin{}
	if !isNamed {
		stored, err := reader.Streams(ctx)
		if err != nil {
			return nil, err
		}
		if len(stored) > 0 { // otherwise Status returns the error for a database without streams
			streams = stored
		}
	}
	for _, stream := range streams {
		status, err := reader.Status(ctx, stream)
		if err != nil {
			return nil, err
		}
		all = append(all, status)
	}
	return all, nil
}

// streamFlag is the flag of the setting that names the stream.
const streamFlag = "stream"

// print writes one stream in full, or several streams as a table, or each stream as JSON.
func (c *statusCommand) print(w io.Writer, all []domain.StreamStatus) error {
	switch {
	case c.JSON:
		for _, status := range all {
			if err := writeStatusJSON(w, status); err != nil {
				return err
			}
		}
		return nil
	case len(all) == 1:
		return writeStatus(w, all[0])
	}
	if err := statusTable(all).write(w); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "For one of them: pawl status --stream NAME")
	return err
}

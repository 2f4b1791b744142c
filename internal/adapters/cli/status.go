package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
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
	var failedStarts []domain.FailedStart
	err = withDatabase(s, s.wiring.Reader, func(ctx context.Context, reader Reader) (err error) {
		if c.Check && !s.namesStream() {
			if failedStarts, err = reader.FailedStarts(ctx); err != nil {
				return err
			}
		}
		all, err = readStatus(ctx, s, reader)
		hasNone := domain.KindOf(err) == domain.Invalid && len(failedStarts) > 0
		if hasNone { // the failures say why the database has no stream
			err = nil
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case c.Check:
		return printHealth(s.Stdout, all, failedStarts, limits)
	}
	return outputError(c.print(s.Stdout, all))
}

// readStatus returns the status of the stream that the user named. If the user named none, it returns the status of every stream in the
// database. If the database has no stream, it returns the error of Reader.Status.
func readStatus(ctx context.Context, s *session, reader Reader) (all []domain.StreamStatus, err error) {
	if !s.namesStream() {
		all, err = readAllStatuses(ctx, reader)
	}
	if err != nil || len(all) > 0 {
		return all, err
	}
	status, err := reader.Status(ctx, s.settings.Stream)
	if err != nil {
		return nil, err
	}
	return []domain.StreamStatus{status}, nil
}

// readAllStatuses returns the status of every stream in the database. It leaves out a stream that the database forgets meanwhile, because
// its first run fails.
func readAllStatuses(ctx context.Context, reader Reader) (all []domain.StreamStatus, err error) {
	streams, err := reader.Streams(ctx)
	if err != nil {
		return nil, err
	}
	for _, stream := range streams {
		status, err := reader.Status(ctx, stream)
		if domain.KindOf(err) == domain.Invalid {
			left, listErr := reader.Streams(ctx)
			if isForgotten := listErr == nil && !slices.Contains(left, stream); isForgotten {
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		all = append(all, status)
	}
	return all, nil
}

// namesStream reports whether the user named a stream.
func (s *session) namesStream() bool { return s.origins[streamFlag] != settings.Origin{} }

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

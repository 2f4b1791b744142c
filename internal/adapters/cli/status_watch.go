package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/adapters/cli/terminal"
	"github.com/pawldata/pawl/internal/domain"
)

// watchInterval is the time between two readings of `pawl status --watch`.
const watchInterval = 2 * time.Second

// watch prints the status again and again until the context of the session ends, which is the normal end. On a terminal each status
// replaces the one before. If the database does not answer, watch prints the error in place of the status, and goes on.
func (c *statusCommand) watch(s *session) error {
	s.stopsAtOnce.Store(true)
	env := settings.NewEnvironment(s.Environ)
	isInteractive := terminal.NewScreen(s.Stdout, env.Get("TERM"), "").Kind() == terminal.Interactive
	err := withDatabase(s, s.wiring.Reader, func(ctx context.Context, reader Reader) error {
		tick := time.NewTicker(watchInterval)
		defer tick.Stop()
		for {
			var frame bytes.Buffer
			if err := c.readFrame(ctx, s, reader, &frame); err != nil {
				return err
			}
			if err := writeFrame(s.Stdout, frame.Bytes(), isInteractive, c.JSON); err != nil {
				return outputError(err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	})
	if domain.KindOf(err) == domain.Stopped {
		return nil
	}
	return err
}

// readFrame writes the status to w, or the error of a database that may answer later.
func (c *statusCommand) readFrame(ctx context.Context, s *session, reader Reader, w io.Writer) error {
	report, err := c.read(ctx, s, reader)
	if domain.KindOf(err) == domain.Transient {
		if c.JSON {
			s.log.Warn("trying again", "why", err.Error(), "code", domain.CodeOf(err))
			return nil
		}
		_, err = fmt.Fprintf(w, "%s; trying again\n", escapeUnprintable(err.Error()))
		return err
	}
	if err != nil {
		return err
	}
	return c.print(w, report)
}

// writeFrame writes a status. On a terminal it first erases the screen. In a file or pipe, an empty line follows each status.
func writeFrame(w io.Writer, frame []byte, isInteractive, asJSON bool) error {
	const toTopAndErase = "\x1b[H\x1b[2J"
	switch {
	case isInteractive && !asJSON:
		frame = append([]byte(toTopAndErase), frame...)
	case !asJSON:
		frame = append(frame, '\n')
	}
	_, err := w.Write(frame)
	return err
}

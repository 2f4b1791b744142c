package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

type checkpointCommand struct {
	Show  checkpointShowCommand  `cmd:"" example:"pawl checkpoint show" help:"Print the stream's checkpoint: where the next run continues, and who has the claim."`
	Reset checkpointResetCommand `cmd:"" example:"pawl checkpoint reset --yes" help:"Make the next run read the stream from its first page. No event is deleted."`
}

type checkpointShowCommand struct {
	JSON bool `name:"json" help:"Print one JSON object, with the whole cursor."`
}

// Run executes `pawl checkpoint show`. kong calls it.
func (c *checkpointShowCommand) Run(s *session) error {
	var status domain.StreamStatus
	err := withDatabase(s, s.openReader, func(ctx context.Context, reader Reader) (err error) {
		status, err = reader.Status(ctx, s.settings.Stream)
		return err
	})
	if err != nil {
		return err
	}
	write := writeCheckpoint
	if c.JSON {
		write = writeCheckpointJSON
	}
	return outputError(write(s.Stdout, status))
}

type checkpointResetCommand struct {
	Yes bool `name:"yes" help:"Do not ask for the stream's name. Without a terminal, this flag is necessary."`
}

// Help returns the details for `pawl checkpoint reset --help`. kong calls it.
func (c *checkpointResetCommand) Help() string {
	return "Use it if each run fails at the stored cursor, for example because the API's cursors form a cycle. The next run begins a new " +
		"pass. Stored events stay, and count as duplicates when they are received again. The ledger gets a row of kind reset. If a run is in " +
		"progress, reset ends with exit code 5. On a terminal it asks for the stream's name."
}

// Run executes `pawl checkpoint reset`. kong calls it.
func (c *checkpointResetCommand) Run(s *session) error {
	s.stopHint = "run it again: a second reset does no harm"
	if err := c.confirm(s); err != nil {
		return err
	}
	var reset domain.CheckpointReset
	err := withDatabase(s, s.openCurrentAdmin, func(ctx context.Context, admin Admin) (err error) {
		reset, err = resetCheckpoint(ctx, admin, s.settings.Stream)
		return err
	})
	if err != nil {
		return err
	}
	before, stream := reset.Before, s.settings.Stream
	if before.IsAtHead() {
		_, err = fmt.Fprintf(s.Stdout, "stream %s: the next run reads from the first page already\n", stream)
		return outputError(err)
	}
	_, err = fmt.Fprintf(s.Stdout, "stream %s: the next run reads from the first page, in pass %d; it was in pass %d, at position %s.\n"+
		"The events stay (%s), and count as duplicates when the API returns them again.\n",
		stream, reset.After.Pass, before.Pass, humanize.Comma(before.Offset), humanize.Comma(before.Inserted))
	return outputError(err)
}

const (
	// releaseGrace is the time within which PostgreSQL notices that a runner's process has ended.
	releaseGrace = time.Second

	resetInterval = 200 * time.Millisecond // the time between two attempts to reset a stream that a runner seems to hold
)

// resetCheckpoint resets the checkpoint. If a runner seems to be alive, it tries again for the time releaseGrace, because that runner may
// have ended a moment ago.
func resetCheckpoint(ctx context.Context, admin Admin, stream domain.StreamID) (domain.CheckpointReset, error) {
	began := time.Now()
	for {
		reset, err := admin.ResetCheckpoint(ctx, stream)
		failure := domain.AsError(err)
		seemsAlive := failure != nil && failure.Kind == domain.Fenced && failure.Holder == domain.HolderAlive
		if !seemsAlive || time.Since(began) >= releaseGrace {
			return reset, err
		}
		if err := (retry.Wait{For: resetInterval}).Sleep(ctx); err != nil {
			return reset, err
		}
	}
}

// confirm returns nil if the user wants the reset: with --yes, or by typing the stream's name at a terminal.
func (c *checkpointResetCommand) confirm(s *session) error {
	if c.Yes {
		return nil
	}
	stream := s.settings.Stream.String()
	invalid := &domain.Error{
		Kind: domain.Invalid, Code: domain.CodeUsage, Op: "checkpoint reset",
		Err: errors.New("nobody has confirmed it, so nothing was changed"), Hint: "add --yes, or run it on a terminal and type the stream's name",
	}
	if !s.canAsk() {
		return invalid
	}
	answer, err := s.askText("The next run will read stream "+stream+" from its first page. No event is deleted. Type the stream's name to go on", "")
	if err != nil {
		return err
	}
	if answer != stream {
		invalid.Err = fmt.Errorf("the answer is not %s, so nothing was changed", stream)
		return invalid
	}
	return nil
}

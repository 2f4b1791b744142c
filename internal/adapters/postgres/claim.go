package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// Claim implements [domain.EventStore]. Two things prevent that two runners write one stream. A guard stops the second runner early,
// before it does any work. If both run nevertheless, the checkpoint's token and epoch fence the runner whose claim is older (I3, see
// package domain).
func (s *Store) Claim(ctx context.Context, stream domain.StreamID, sourceURL string) (domain.Checkpoint, error) {
	if err := s.guardStream(ctx, stream); err != nil {
		return domain.Checkpoint{}, err
	}
	var claimed domain.Checkpoint
	err := conn.Transact(ctx, s.pool, opClaim, func(ctx context.Context, tx pgx.Tx) error {
		q := dbsqlc.New(tx)
		row, err := q.CheckpointClaim(ctx, dbsqlc.CheckpointClaimParams{Stream: stream.String(), SourceUrl: sourceURL})
		if errors.Is(err, pgx.ErrNoRows) {
			return sourceURLError(ctx, q, stream, sourceURL)
		}
		if err != nil {
			return err
		}
		claimed = toCheckpoint(stream, row)
		if err := s.guard.confirm(ctx, q, claimed); err != nil {
			return err
		}
		if err := checkUniqueID(ctx, q); err != nil {
			return err
		}
		heldMs, err := q.CheckpointHeld(ctx, stream.String()) // the rest of the hold by the rate limit
		if err != nil {
			return err
		}
		if heldMs > 0 {
			claimed.HeldUntil = time.Now().Add(time.Duration(heldMs) * time.Millisecond)
		}
		claimed.LeadsBack, err = q.CheckpointLeadsBack(ctx, stream.String())
		return err
	})
	if err != nil { // an uncertain claim may be repeated, because a second claim only takes the next epoch
		return domain.Checkpoint{}, fmt.Errorf("stream %s: %w", stream, conn.RetryUncertain(err))
	}
	s.claimed = true
	s.row.setClaim(claimed)
	return claimed, nil
}

// checkUniqueID returns Invalid if the table of events has no unique key on id. Without it, PostgreSQL would store an event twice. For
// example, a restore that failed before its end leaves a table without keys.
func checkUniqueID(ctx context.Context, q *dbsqlc.Queries) error {
	hasUniqueID, err := q.EventHasUniqueID(ctx)
	if err != nil || hasUniqueID {
		return err
	}
	return &domain.Error{
		Kind: domain.Invalid, Code: domain.CodeEventsWithoutKey, Op: opClaim,
		Err:  errors.New("the table events has no unique key on id, so an event could be stored twice"),
		Hint: "if a restore did not end, restore the database again; otherwise run: ALTER TABLE events ADD PRIMARY KEY (id)",
	}
}

// sourceURLError returns the Invalid error for a stream that has pages from another URL than sourceURL.
func sourceURLError(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, sourceURL string) error {
	stored, err := q.CheckpointSource(ctx, stream.String())
	if err != nil {
		return err
	}
	return &domain.Error{
		Kind: domain.Invalid, Code: domain.CodeStreamOtherAddress, Op: opClaim,
		Err:    fmt.Errorf("the stream reads from %s, not from %s", stored, sourceURL),
		Remedy: domain.MoveStream,
	}
}

package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// Claim implements domain.EventStore. Two things keep a second runner out: a session lock, which tells it before it has
// done any harm, and the claim's token with its epoch, which is the truth (I3). Behind a connection pooler there is only
// the latter, and the newest claimant wins.
func (s *Store) Claim(ctx context.Context, stream domain.StreamID, origin string) (domain.Checkpoint, error) {
	if err := s.lockEarly(ctx, stream); err != nil {
		return domain.Checkpoint{}, err
	}
	var at domain.Checkpoint
	err := transact(ctx, s.pool, "claim stream", func(ctx context.Context, tx pgx.Tx) error {
		q := dbsqlc.New(tx)
		row, err := q.CheckpointClaim(ctx, dbsqlc.CheckpointClaimParams{Stream: stream.String(), SourceUrl: origin})
		if errors.Is(err, pgx.ErrNoRows) {
			return refuseOrigin(ctx, q, stream, origin)
		}
		if err != nil {
			return err
		}
		at = toCheckpoint(stream, row)
		heldMs, err := q.CheckpointHeld(ctx, stream.String())
		if heldMs > 0 {
			at.HeldUntil = time.Now().Add(time.Duration(heldMs) * time.Millisecond)
		}
		return err
	})
	if err != nil { // in doubt nothing but an epoch is at stake, and a second claim takes the next one
		return domain.Checkpoint{}, fmt.Errorf("stream %s: %w", stream, repeatable(err))
	}
	return at, nil
}

func refuseOrigin(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, origin string) error {
	known, err := q.CheckpointSource(ctx, stream.String())
	if err != nil {
		return err
	}
	return &domain.Error{
		Kind: domain.Invalid, Op: "claim stream",
		Err:    fmt.Errorf("it reads from %s, not from %s", known, origin),
		Remedy: domain.MoveStream,
	}
}

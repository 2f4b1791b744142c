package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// ResetCheckpoint makes the next run read the stream from its first page, in a new pass. It deletes no event and no dead letter. It adds
// a row to the ledger, so that the ledger explains the checkpoint. If the checkpoint is at the first page already, ResetCheckpoint changes
// nothing, so a second call does no harm.
//
// If a runner has the stream, by the session lock or by a lease, ResetCheckpoint returns Fenced. A runner that has lost both can no longer
// write, because a reset takes a new epoch and token, as a claim does (I3).
func (a *Admin) ResetCheckpoint(ctx context.Context, stream domain.StreamID) (reset domain.CheckpointReset, err error) {
	err = a.change(ctx, "reset checkpoint", stream, func(ctx context.Context, op string, q *dbsqlc.Queries) error {
		row, err := q.CheckpointGetForUpdate(ctx, stream.String())
		if errors.Is(err, pgx.ErrNoRows) { // its first run has failed meanwhile
			return noSuchStreamError(ctx, q, op, stream)
		}
		if err != nil {
			return err
		}
		if err := requireNoRunner(ctx, q, op, stream); err != nil { // after the row is locked, as a claim takes its lease under that lock
			return err
		}
		reset.Before = toCheckpoint(stream, row)
		reset.After = reset.Before
		if reset.Before.IsAtHead() {
			return nil
		}
		row, err = q.CheckpointReset(ctx, stream.String())
		if err != nil {
			return err
		}
		reset.After = toCheckpoint(stream, row)
		return insertResetRow(ctx, q, row)
	})
	return reset, err
}

// requireNoRunner returns Fenced if a runner has the stream. No runner can take it before the transaction of q ends.
func requireNoRunner(ctx context.Context, q *dbsqlc.Queries, op string, stream domain.StreamID) error {
	locked, err := q.CheckpointLockInTransaction(ctx, stream.String())
	switch {
	case err != nil:
		return err
	case !locked:
		err = lockHolderError(ctx, q, stream, silentAfter)
	default:
		err = checkLease(ctx, q, stream, domain.UUID{}) // this process has no lease
	}
	if failure := domain.AsError(err); failure != nil {
		failure.Op = op
		if failure.Holder == domain.HolderLeased {
			failure.Hint = fmt.Sprintf("if that runner was killed, run it again in %s", domain.LeaseDuration)
		}
	}
	return err
}

// insertResetRow adds the ledger row of a reset. checkpoint is the row after the reset. A reset has no records, so all counts are 0.
func insertResetRow(ctx context.Context, q *dbsqlc.Queries, checkpoint dbsqlc.Checkpoint) error {
	reserved, err := q.PageReserve(ctx)
	if err != nil {
		return err
	}
	ids, err := pageIDsAfter(ctx, q, reserved.LastPageID, []int64{reserved.PageID})
	if err != nil {
		return err
	}
	now, err := q.SessionNow(ctx)
	if err != nil {
		return err
	}
	return q.PageInsert(ctx, dbsqlc.PageInsertParams{
		ID: ids[0], Kind: kindReset, Stream: checkpoint.Stream,
		Pass: checkpoint.Pass, Seq: checkpoint.Seq, Position: checkpoint.Position, FetchedAt: now,
	})
}

package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A Mover changes the address that a stream remembers as its API's.
type Mover struct{ pool *pgxpool.Pool }

// NewMover returns a mover on the pool.
func NewMover(pool *pgxpool.Pool) *Mover { return &Mover{pool} }

// Move makes the stream read from target instead of source, in one transaction, and changes nothing else: the next run
// goes on from the checkpoint. A runner that lives is fenced at its next commit. A stream that was never claimed, or that
// reads from another address than source, is Invalid; the error names that address. It makes one attempt; should its
// COMMIT not be answered, another attempt may find the stream moved already.
func (m *Mover) Move(ctx context.Context, stream domain.StreamID, source, target string) error {
	const op = "move stream"
	return repeatable(transact(ctx, m.pool, op, func(ctx context.Context, tx pgx.Tx) error {
		q := dbsqlc.New(tx)
		if err := known(ctx, q, op, stream); err != nil {
			return err
		}
		n, err := q.CheckpointMove(ctx, dbsqlc.CheckpointMoveParams{Stream: stream.String(), Source: source, Target: target})
		if err != nil || n == 1 {
			return err
		}
		stands, err := q.CheckpointSource(ctx, stream.String())
		if err != nil {
			return err
		}
		return &domain.Error{
			Kind: domain.Invalid, Op: op, Err: fmt.Errorf("stream %s reads from %s, not from %s", stream, stands, source),
			Remedy: domain.CorrectFormerAddress,
		}
	}))
}

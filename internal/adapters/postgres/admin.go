package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// An Admin makes the changes that a user asks for by hand. Each method makes one attempt, in one transaction. If PostgreSQL
// does not answer COMMIT, the error is Transient, and the change may have been made. If it was made, a second call of MoveStream or
// DiscardDeadLetter returns Invalid. If the stream was never claimed, each method returns Invalid.
type Admin struct{ pool *pgxpool.Pool }

// NewAdmin returns an admin that uses the pool.
func NewAdmin(pool *pgxpool.Pool) *Admin { return &Admin{pool} }

// MoveStream changes the stream's source URL. Its position stays, so the next run continues where the last one ended. If a
// runner is reading the stream, its next commit returns Fenced. If the stream's present source URL differs from the parameter
// from, MoveStream returns Invalid, and the error names the present URL.
func (a *Admin) MoveStream(ctx context.Context, stream domain.StreamID, from, to string) error {
	return a.change(ctx, "move stream", stream, func(ctx context.Context, op string, q *dbsqlc.Queries) error {
		moved, err := q.CheckpointMove(ctx, dbsqlc.CheckpointMoveParams{Stream: stream.String(), FromUrl: from, ToUrl: to})
		if err != nil || moved == 1 {
			return err
		}
		current, err := q.CheckpointSource(ctx, stream.String())
		if err != nil {
			return err
		}
		return &domain.Error{
			Kind: domain.Invalid, Code: domain.CodeStreamOtherAddress, Op: op,
			Err:    fmt.Errorf("stream %s reads from %s, not from %s", stream, current, from),
			Remedy: domain.CorrectFormerAddress,
		}
	})
}

// DiscardDeadLetter resolves an open dead letter as discarded and stores why, the user's reason. It returns Invalid if the
// stream has no dead letter with this id, or if the letter is resolved already. Then the error says how and when.
func (a *Admin) DiscardDeadLetter(ctx context.Context, stream domain.StreamID, id int64, why string) error {
	return a.change(ctx, "discard dead letter", stream, func(ctx context.Context, op string, q *dbsqlc.Queries) error {
		discarded, err := q.DeadLetterDiscard(ctx, dbsqlc.DeadLetterDiscardParams{Stream: stream.String(), ID: id, Why: why})
		if err != nil || discarded == 1 {
			return err
		}
		letter, err := readDeadLetter(ctx, q, stream, id)
		if err != nil {
			return err
		}
		return &domain.Error{
			Kind: domain.Invalid, Code: domain.CodeDeadLetterResolved, Op: op,
			Err:    fmt.Errorf("letter %d is resolved already, %s at %s", id, letter.Resolved.How, letter.Resolved.At.Format(time.RFC3339)),
			Remedy: domain.ShowDeadLetter,
		}
	})
}

// change runs work in a transaction. If the stream does not exist, it returns Invalid and does not call work.
func (a *Admin) change(
	ctx context.Context, op string, stream domain.StreamID, work func(ctx context.Context, op string, q *dbsqlc.Queries) error,
) error {
	return conn.RetryUncertain(conn.Transact(ctx, a.pool, op, func(ctx context.Context, tx pgx.Tx) error {
		q := dbsqlc.New(tx)
		if err := requireStream(ctx, q, op, stream); err != nil {
			return err
		}
		return work(ctx, op, q)
	}))
}

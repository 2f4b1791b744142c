package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A StatusReader reads streams' reports. It takes no lock, writes nothing and needs SELECT only.
type StatusReader struct{ pool *pgxpool.Pool }

// NewStatusReader returns a reader on the pool.
func NewStatusReader(pool *pgxpool.Pool) *StatusReader { return &StatusReader{pool} }

// Report is the stream's durable state. A stream that was never claimed is Invalid; the error names those there are.
func (r *StatusReader) Report(ctx context.Context, stream domain.StreamID) (domain.StreamReport, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return report(ctx, dbsqlc.New(r.pool), stream)
}

func report(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID) (domain.StreamReport, error) {
	const op = "read status"
	row, err := q.PageTotals(ctx, stream.String())
	if errors.Is(err, pgx.ErrNoRows) {
		return domain.StreamReport{}, noSuchStream(ctx, q, op, stream)
	}
	if err != nil {
		return domain.StreamReport{}, classify(op, err)
	}
	return domain.StreamReport{
		Checkpoint: toCheckpoint(stream, row.Checkpoint),
		Pages:      row.Pages,
		Traffic: domain.Traffic{
			Requests: int(row.Requests), Retries: int(row.Retries), RateLimited: int(row.RateLimited),
			Waited: time.Duration(row.WaitedMs) * time.Millisecond,
		},
		Elapsed: time.Duration(row.ElapsedMs) * time.Millisecond,
	}, nil
}

// known is the error for a stream that was never claimed.
func known(ctx context.Context, q *dbsqlc.Queries, op string, stream domain.StreamID) error {
	_, err := q.CheckpointSource(ctx, stream.String())
	if errors.Is(err, pgx.ErrNoRows) {
		return noSuchStream(ctx, q, op, stream)
	}
	return classify(op, err)
}

func noSuchStream(ctx context.Context, q *dbsqlc.Queries, op string, stream domain.StreamID) error {
	known, err := q.CheckpointStreams(ctx)
	if err != nil {
		return classify(op, err)
	}
	unknown := &domain.Error{Kind: domain.Invalid, Op: op, Err: fmt.Errorf("no stream named %s", stream)}
	if len(known) > 0 {
		unknown.Hint = "this database knows: " + strings.Join(known, ", ")
	} else {
		unknown.Remedy = domain.StartStream
	}
	return unknown
}

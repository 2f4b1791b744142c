package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// Streams returns the streams that the database has, in the order of their names.
func (r *Reader) Streams(ctx context.Context) ([]domain.StreamID, error) {
	ctx, cancel := context.WithTimeout(ctx, conn.CallTimeout)
	defer cancel()
	names, err := dbsqlc.New(r.pool).CheckpointStreams(ctx)
	if err != nil {
		return nil, conn.Classify("list streams", err)
	}
	var streams []domain.StreamID
	for _, name := range names {
		streams = append(streams, domain.StreamID{Source: name})
	}
	return streams, nil
}

// FailedStarts returns the streams whose first run failed before it stored a page, in the order of their names. Such a run leaves what it
// reported and no checkpoint.
func (r *Reader) FailedStarts(ctx context.Context) ([]domain.FailedStart, error) {
	ctx, cancel := context.WithTimeout(ctx, conn.CallTimeout)
	defer cancel()
	rows, err := dbsqlc.New(r.pool).RunnerFailedStarts(ctx)
	if err != nil {
		return nil, conn.Classify("list failed runs", err)
	}
	var starts []domain.FailedStart
	for _, row := range rows {
		starts = append(starts, domain.FailedStart{Stream: domain.StreamID{Source: row.Stream}, At: row.AliveAt, Error: row.LastError})
	}
	return starts, nil
}

// Status returns the stream's durable state, the totals and the last pages of its ledger, and what its last runner reported. The parts
// are read one after the other, so a runner may have stored a page in between.
func (r *Reader) Status(ctx context.Context, stream domain.StreamID) (domain.StreamStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, conn.CallTimeout)
	defer cancel()
	q := dbsqlc.New(r.pool)
	var status domain.StreamStatus
	var err error
	if status.StreamReport, err = readReport(ctx, q, stream); err != nil {
		return domain.StreamStatus{}, err
	}
	for _, read := range []func(context.Context, *dbsqlc.Queries, *domain.StreamStatus) error{
		readLastPages, readLettersAndDrift, readRunner,
	} {
		if err := read(ctx, q, &status); err != nil {
			return domain.StreamStatus{}, conn.Classify(opReadStatus, err)
		}
	}
	return status, nil
}

const opReadStatus = "read status"

// readReport returns the stream's durable state and the totals of its ledger.
func readReport(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID) (domain.StreamReport, error) {
	row, err := q.PageTotals(ctx, stream.String())
	if errors.Is(err, pgx.ErrNoRows) {
		return domain.StreamReport{}, noSuchStreamError(ctx, q, opReadStatus, stream)
	}
	if err != nil {
		return domain.StreamReport{}, conn.Classify(opReadStatus, err)
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

func readLastPages(ctx context.Context, q *dbsqlc.Queries, status *domain.StreamStatus) error {
	rows, err := q.PageLatest(ctx, dbsqlc.PageLatestParams{
		Stream: status.Checkpoint.Stream.String(), MaxRows: domain.MaxLastPages,
	})
	for _, row := range rows {
		status.LastPages = append(status.LastPages, domain.LedgerPage{
			Seq: row.Seq, Pass: row.Pass, CommittedAt: row.CommittedAt,
			Counts: domain.Counts{Received: row.Received, Inserted: row.Inserted, Duplicate: row.Duplicate, Parked: row.Parked},
		})
	}
	return err
}

func readLettersAndDrift(ctx context.Context, q *dbsqlc.Queries, status *domain.StreamStatus) error {
	stream := status.Checkpoint.Stream.String()
	open, err := q.DeadLetterOpenReasons(ctx, stream)
	if err != nil {
		return err
	}
	for _, row := range open {
		status.Open = append(status.Open, domain.ReasonCount{Reason: row.Reason, Count: row.Letters})
	}
	drift, err := q.DriftTotal(ctx, stream)
	status.Drift = domain.DriftTotal{Entries: drift.Entries, Records: drift.Records}
	return err
}

// readRunner also sets status.Now, after it has read the other times.
func readRunner(ctx context.Context, q *dbsqlc.Queries, status *domain.StreamStatus) error {
	stream := status.Checkpoint.Stream.String()
	row, err := q.RunnerGet(ctx, stream)
	if err == nil {
		runner := toRunnerReport(row)
		runner.HasLock, err = q.SessionLockIsHeld(ctx, stream)
		status.Runner = &runner
	}
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	status.Now, err = q.SessionNow(ctx)
	return err
}

// toRunnerReport converts a row.
func toRunnerReport(row dbsqlc.Runner) domain.RunnerReport {
	return domain.RunnerReport{
		RunnerIdentity: domain.RunnerIdentity{Host: row.Host, PID: int(row.Pid), Version: row.Version},
		RunnerState: domain.RunnerState{
			Activity: domain.Activity(row.State), Until: valueOrZero(row.StateUntil),
			LastError: row.LastError, LastErrorAt: valueOrZero(row.LastErrorAt),
		},
		Token: row.Token, Since: row.Since, AliveAt: row.AliveAt, NotBefore: valueOrZero(row.NotBefore),
		LeaseUntil: valueOrZero(row.LeaseUntil),
	}
}

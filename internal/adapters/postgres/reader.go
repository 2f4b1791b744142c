package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A Reader reads a stream's status, its drift and its dead letters. It takes no lock, writes nothing and needs only the SELECT
// privilege. Each method makes one attempt. If the stream was never claimed, each method returns Invalid, and the error names the
// streams that the database has.
type Reader struct{ pool *pgxpool.Pool }

// NewReader returns a reader that uses the pool.
func NewReader(pool *pgxpool.Pool) *Reader { return &Reader{pool} }

// Drift returns the entries of the stream's drift register, ordered by the page in which each appeared first.
func (r *Reader) Drift(ctx context.Context, stream domain.StreamID) (entries []domain.DriftEntry, err error) {
	err = r.read(ctx, "read the register of drift", stream, func(ctx context.Context, q *dbsqlc.Queries) error {
		rows, err := q.DriftList(ctx, stream.String())
		if err != nil {
			return err
		}
		for _, row := range rows {
			entries = append(entries, domain.DriftEntry{
				Path: row.Path, Kind: row.Kind, Count: row.Count, FirstPageID: row.FirstPageID, LastPageID: row.LastPageID,
				Sample: row.Sample,
			})
		}
		return nil
	})
	return entries, err
}

// DeadLetters returns the dead letters that match the filter, in order of id and without their payloads. It returns at most
// part.Limit letters with an id greater than part.After. more reports whether further letters match the filter.
func (r *Reader) DeadLetters(
	ctx context.Context, stream domain.StreamID, filter domain.DeadLetterFilter, part domain.DeadLetterRange,
) (letters []domain.DeadLetter, more bool, err error) {
	err = r.read(ctx, "list dead letters", stream, func(ctx context.Context, q *dbsqlc.Queries) error {
		rows, err := q.DeadLetterList(ctx, dbsqlc.DeadLetterListParams{
			Stream: stream.String(), State: stateParam(filter), Reason: filter.Reason, PageID: filter.PageID,
			Since: timeOrNull(filter.Since), Until: timeOrNull(filter.Until),
			After: part.After, MaxRows: int64(part.Limit) + 1, // if there is one row more than the limit, there are further letters
		})
		if err != nil {
			return err
		}
		if len(rows) > part.Limit {
			more = true
			rows = rows[:part.Limit]
		}
		for _, row := range rows {
			letters = append(letters, toDeadLetter(dbsqlc.DeadLetter{
				ID: row.ID, Key: row.Key, PageID: row.PageID, IndexInPage: row.IndexInPage, Reason: row.Reason, Field: row.Field,
				Detail: row.Detail, EventID: row.EventID, Seen: row.Seen, Others: row.Others, Replays: row.Replays,
				ParkedAt: row.ParkedAt, ResolvedAt: row.ResolvedAt, Resolution: row.Resolution, ResolvedWhy: row.ResolvedWhy,
				ResolvedPageID: row.ResolvedPageID,
			}))
		}
		return nil
	})
	return letters, more, err
}

// DeadLetterReasons counts the dead letters that match the filter by their reason. It returns the most frequent reason first.
// Each count has the first letter with this reason as a sample, without its payload.
func (r *Reader) DeadLetterReasons(
	ctx context.Context, stream domain.StreamID, filter domain.DeadLetterFilter,
) (counts []domain.ReasonCount, err error) {
	err = r.read(ctx, "count dead letters", stream, func(ctx context.Context, q *dbsqlc.Queries) error {
		rows, err := q.DeadLetterReasons(ctx, dbsqlc.DeadLetterReasonsParams{
			Stream: stream.String(), State: stateParam(filter), Reason: filter.Reason, PageID: filter.PageID,
			Since: timeOrNull(filter.Since), Until: timeOrNull(filter.Until),
		})
		if err != nil {
			return err
		}
		for _, row := range rows {
			counts = append(counts, domain.ReasonCount{Reason: row.Reason, Count: row.Letters, Sample: toDeadLetter(dbsqlc.DeadLetter{
				ID: row.ID, Key: row.Key, PageID: row.PageID, IndexInPage: row.IndexInPage, Reason: row.Reason, Field: row.Field,
				Detail: row.Detail, EventID: row.EventID, Seen: row.Seen, Others: row.Others, Replays: row.Replays,
				ParkedAt: row.ParkedAt,
			})})
		}
		return nil
	})
	return counts, err
}

// DeadLetter returns one dead letter with its payload. It returns Invalid if the stream has no dead letter with this id.
func (r *Reader) DeadLetter(ctx context.Context, stream domain.StreamID, id int64) (letter domain.DeadLetter, err error) {
	err = r.read(ctx, "read dead letter", stream, func(ctx context.Context, q *dbsqlc.Queries) error {
		letter, err = readDeadLetter(ctx, q, stream, id)
		return err
	})
	return letter, err
}

// read calls query and returns its error, classified for operation op. If the stream does not exist, it returns Invalid and does
// not call query.
func (r *Reader) read(
	ctx context.Context, op string, stream domain.StreamID, query func(context.Context, *dbsqlc.Queries) error,
) error {
	ctx, cancel := context.WithTimeout(ctx, conn.CallTimeout)
	defer cancel()
	q := dbsqlc.New(r.pool)
	if err := requireStream(ctx, q, op, stream); err != nil {
		return err
	}
	return conn.Classify(op, query(ctx, q))
}

// requireStream returns an Invalid error if the stream was never claimed.
func requireStream(ctx context.Context, q *dbsqlc.Queries, op string, stream domain.StreamID) error {
	_, err := q.CheckpointSource(ctx, stream.String())
	if errors.Is(err, pgx.ErrNoRows) {
		return noSuchStreamError(ctx, q, op, stream)
	}
	return conn.Classify(op, err)
}

// noSuchStreamError returns the Invalid error for a stream that is not in the database. If a first run of this stream has failed, the error
// says why. It names the streams that the database has.
func noSuchStreamError(ctx context.Context, q *dbsqlc.Queries, op string, stream domain.StreamID) error {
	names, err := q.CheckpointStreams(ctx)
	if err != nil {
		return conn.Classify(op, err)
	}
	invalid := &domain.Error{Kind: domain.Invalid, Code: domain.CodeStreamUnknown, Op: op, Err: fmt.Errorf("no stream named %s", stream)}
	if runner, err := q.RunnerGet(ctx, stream.String()); err == nil && runner.LastError != "" { // otherwise the error only says less
		invalid.Err = fmt.Errorf("%w: its first run failed at %s, before it stored a page: %s",
			invalid.Err, runner.AliveAt.Local().Format(time.DateTime), runner.LastError)
	}
	if len(names) > 0 {
		invalid.Hint = "this database knows: " + strings.Join(names, ", ")
	} else {
		invalid.Remedy = domain.StartStream
	}
	return invalid
}

// readDeadLetter returns one dead letter with its payload. It returns Invalid if the stream has no dead letter with this id.
func readDeadLetter(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, id int64) (domain.DeadLetter, error) {
	row, err := q.DeadLetterGet(ctx, dbsqlc.DeadLetterGetParams{Stream: stream.String(), ID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		return domain.DeadLetter{}, &domain.Error{
			Kind: domain.Invalid, Code: domain.CodeDeadLetterUnknown, Op: "read dead letter",
			Err:    fmt.Errorf("stream %s has none of id %d", stream, id),
			Remedy: domain.ListAllDeadLetters,
		}
	}
	return toDeadLetter(row), err
}

// toDeadLetter converts a row. A row without resolved_at is an open dead letter.
func toDeadLetter(row dbsqlc.DeadLetter) domain.DeadLetter {
	letter := domain.DeadLetter{
		ID: row.ID, Key: domain.DeadLetterKey(row.Key), PageID: row.PageID, Index: int(row.IndexInPage),
		Why:     domain.Rejection{Reason: row.Reason, Field: row.Field, Detail: row.Detail, ID: valueOrZero(row.EventID)},
		Payload: row.Payload, Seen: row.Seen, Others: row.Others, Replays: row.Replays, ParkedAt: row.ParkedAt,
	}
	if row.ResolvedAt != nil {
		letter.Resolved = &domain.Resolution{
			How: valueOrZero(row.Resolution), Why: valueOrZero(row.ResolvedWhy), At: *row.ResolvedAt, PageID: valueOrZero(row.ResolvedPageID),
		}
	}
	return letter
}

// stateParam returns the filter's state in the form that the queries expect. They have no empty state, which means all letters.
func stateParam(filter domain.DeadLetterFilter) string {
	if filter.State == "" {
		return string(domain.DeadLettersAll)
	}
	return string(filter.State)
}

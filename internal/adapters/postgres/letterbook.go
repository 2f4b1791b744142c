package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// Letters is a stream's dead letters as somebody looks through them. Of a stream that was never claimed every method
// says so, with kind Invalid, and names those there are.
type Letters struct{ pool *pgxpool.Pool }

// NewLetters returns them on the pool.
func NewLetters(pool *pgxpool.Pool) *Letters { return &Letters{pool} }

// List gives letters in order of id, without their payloads, and tells whether there are more behind the range.
func (l *Letters) List(
	ctx context.Context, stream domain.StreamID, filter domain.DeadLetterFilter, part domain.DeadLetterRange,
) (letters []domain.DeadLetter, more bool, err error) {
	err = l.look(ctx, "list dead letters", stream, func(ctx context.Context, q *dbsqlc.Queries) error {
		rows, err := q.DeadLetterList(ctx, dbsqlc.DeadLetterListParams{
			Stream: stream.String(), State: stateOf(filter), Reason: filter.Reason, PageID: filter.PageID,
			Since: nullTime(filter.Since), Until: nullTime(filter.Until), After: part.After, Most: int64(part.Limit) + 1,
		})
		if more = len(rows) > part.Limit; more {
			rows = rows[:part.Limit]
		}
		for _, row := range rows {
			letters = append(letters, toLetter(withoutPayload(row)))
		}
		return err
	})
	return letters, more, err
}

// Reasons counts letters by reason, the most frequent first.
func (l *Letters) Reasons(
	ctx context.Context, stream domain.StreamID, filter domain.DeadLetterFilter,
) (counts []domain.ReasonCount, err error) {
	err = l.look(ctx, "count dead letters", stream, func(ctx context.Context, q *dbsqlc.Queries) error {
		rows, err := q.DeadLetterReasons(ctx, dbsqlc.DeadLetterReasonsParams{
			Stream: stream.String(), State: stateOf(filter), Reason: filter.Reason, PageID: filter.PageID,
			Since: nullTime(filter.Since), Until: nullTime(filter.Until),
		})
		for _, row := range rows {
			counts = append(counts, domain.ReasonCount{Reason: row.Reason, Count: row.Letters, Sample: toLetter(dbsqlc.DeadLetter{
				ID: row.ID, Key: row.Key, PageID: row.PageID, IndexInPage: row.IndexInPage, Reason: row.Reason, Field: row.Field,
				Detail: row.Detail, EventID: row.EventID, Seen: row.Seen, Others: row.Others, Replays: row.Replays, ParkedAt: row.ParkedAt,
			})})
		}
		return err
	})
	return counts, err
}

// Letter is one letter with its payload; Invalid if the stream has none of this id.
func (l *Letters) Letter(ctx context.Context, stream domain.StreamID, id int64) (letter domain.DeadLetter, err error) {
	err = l.look(ctx, "read dead letter", stream, func(ctx context.Context, q *dbsqlc.Queries) error {
		letter, err = letterOf(ctx, q, stream, id)
		return err
	})
	return letter, err
}

// Discard resolves an open letter by hand, in one step. A letter that is resolved already is Invalid, and the error says
// how and when. It makes one attempt; should its COMMIT not be answered, another attempt may find the letter discarded.
func (l *Letters) Discard(ctx context.Context, stream domain.StreamID, id int64, why string) error {
	const op = "discard dead letter"
	return repeatable(transact(ctx, l.pool, op, func(ctx context.Context, tx pgx.Tx) error {
		q := dbsqlc.New(tx)
		if err := known(ctx, q, op, stream); err != nil {
			return err
		}
		n, err := q.DeadLetterDiscard(ctx, dbsqlc.DeadLetterDiscardParams{Stream: stream.String(), ID: id, Why: why})
		if err != nil || n == 1 {
			return err
		}
		letter, err := letterOf(ctx, q, stream, id)
		if err != nil {
			return err
		}
		return &domain.Error{
			Kind: domain.Invalid, Op: op,
			Err:    fmt.Errorf("letter %d is resolved already, %s at %s", id, letter.Resolved.How, letter.Resolved.At.Format(time.RFC3339)),
			Remedy: domain.ShowDeadLetter,
		}
	}))
}

// look does one thing with the letters of a stream that there is.
func (l *Letters) look(
	ctx context.Context, op string, stream domain.StreamID, do func(context.Context, *dbsqlc.Queries) error,
) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	q := dbsqlc.New(l.pool)
	if err := known(ctx, q, op, stream); err != nil {
		return err
	}
	return classify(op, do(ctx, q))
}

func letterOf(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, id int64) (domain.DeadLetter, error) {
	row, err := q.DeadLetterGet(ctx, dbsqlc.DeadLetterGetParams{Stream: stream.String(), ID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		return domain.DeadLetter{}, &domain.Error{
			Kind: domain.Invalid, Op: "read dead letter", Err: fmt.Errorf("stream %s has none of id %d", stream, id),
			Remedy: domain.ListAllDeadLetters,
		}
	}
	return toLetter(row), err
}

func stateOf(filter domain.DeadLetterFilter) string {
	if filter.State == "" {
		return string(domain.DeadLettersAll)
	}
	return string(filter.State)
}

package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// An inserter stores those events that are not stored yet, says how many that were, and which events the database refuses.
type inserter func(ctx context.Context, w *writer, events []domain.ReadEvent) (int64, []domain.Reject, error)

// insertWhole is the inserter for events that the database takes. If it refuses one, the error is Unstorable and the
// transaction can only be rolled back.
func insertWhole(ctx context.Context, w *writer, events []domain.ReadEvent) (int64, []domain.Reject, error) {
	inserted, err := w.q.EventInsertMany(ctx, toColumns(w.pageID, events))
	return inserted, nil, classifyRow(err)
}

// insertHalving is the inserter that finds the events to refuse. One savepoint is kept behind what is inserted: pgx's
// nested transactions would leave another for each refusal, all inside one another.
func insertHalving(ctx context.Context, w *writer, events []domain.ReadEvent) (inserted int64, refused []domain.Reject, err error) {
	if _, err := w.tx.Exec(ctx, "SAVEPOINT part"); err != nil {
		return 0, nil, err
	}
	refused, err = halving(events, func(part []domain.ReadEvent) error {
		n, _, err := insertWhole(ctx, w, part)
		inserted += n
		return w.keep(ctx, err)
	})
	if err != nil {
		return 0, nil, err
	}
	_, err = w.tx.Exec(ctx, "RELEASE SAVEPOINT part")
	return inserted, refused, err
}

// keep sets the savepoint behind what was inserted, or takes back what was refused, and gives the error of either.
func (w *writer) keep(ctx context.Context, err error) error {
	then := "RELEASE SAVEPOINT part; SAVEPOINT part"
	switch {
	case domain.KindOf(err) == domain.Unstorable:
		then = "ROLLBACK TO SAVEPOINT part"
	case err != nil:
		return err
	}
	if _, failed := w.tx.Exec(ctx, then); failed != nil {
		return failed
	}
	return err
}

// classifyRow classifies the answer to a statement that carries events' values.
func classifyRow(err error) error {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || kindOfRow(answer.Code) != domain.Unstorable {
		return err
	}
	return &domain.Error{
		Kind: domain.Unstorable, Op: "insert events", Err: terse{err, textOf(err)},
		Hint: "an event holds a value that PostgreSQL cannot keep",
	}
}

func idsOf(events []domain.ReadEvent) []domain.EventID {
	ids := make([]domain.EventID, len(events))
	for i := range events {
		ids[i] = events[i].ID
	}
	return ids
}

func toColumns(pageID int64, events []domain.ReadEvent) dbsqlc.EventInsertManyParams {
	n := len(events)
	rows := dbsqlc.EventInsertManyParams{
		PageID:      pageID,
		Ids:         idsOf(events),
		SessionIds:  make([]domain.UUID, n),
		UserIds:     make([]domain.UUID, n),
		Types:       make([]string, n),
		Names:       make([]string, n),
		Properties:  make([]json.RawMessage, n),
		OccurredAts: make([]time.Time, n),
		DeviceTypes: make([]string, n),
		Browsers:    make([]string, n),
		Extras:      make([]json.RawMessage, n),
	}
	for i := range events {
		e := &events[i].Event
		rows.SessionIds[i], rows.UserIds[i] = e.SessionID, e.UserID
		rows.Types[i], rows.Names[i] = e.Type, e.Name
		rows.Properties[i], rows.OccurredAts[i] = e.Properties, e.OccurredAt
		rows.DeviceTypes[i], rows.Browsers[i] = e.DeviceType, e.Browser
		rows.Extras[i] = e.Extra
	}
	return rows
}

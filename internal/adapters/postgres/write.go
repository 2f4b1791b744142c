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

// insertEvents stores the events that are not stored yet and counts both sides from the database's answers.
func insertEvents(ctx context.Context, q *dbsqlc.Queries, pageID int64, events []domain.Event) (domain.Tally, error) {
	if len(events) == 0 {
		return domain.Tally{}, nil
	}
	rows := toColumns(pageID, events)
	inserted, err := q.EventInsertMany(ctx, rows)
	if err != nil {
		return domain.Tally{}, classifyRow(err)
	}
	tally := domain.Tally{Inserted: inserted}
	if inserted < int64(len(events)) {
		tally.Duplicate, err = q.EventCountDuplicates(ctx,
			dbsqlc.EventCountDuplicatesParams{PageID: pageID, Ids: rows.Ids})
	}
	return tally, err
}

func classifyRow(err error) error {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || kindOfRow(answer.Code) != domain.Unstorable {
		return err
	}
	return &domain.Error{
		Kind: domain.Unstorable, Op: "insert events", Err: terse{err, textOf(err)},
		Hint: "an event of this page holds a value that PostgreSQL cannot keep; nothing of the page was stored",
	}
}

func toColumns(pageID int64, events []domain.Event) dbsqlc.EventInsertManyParams {
	n := len(events)
	rows := dbsqlc.EventInsertManyParams{
		PageID:      pageID,
		Ids:         make([]domain.UUID, n),
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
		e := &events[i]
		rows.Ids[i], rows.SessionIds[i], rows.UserIds[i] = e.ID, e.SessionID, e.UserID
		rows.Types[i], rows.Names[i] = e.Type, e.Name
		rows.Properties[i], rows.OccurredAts[i] = e.Properties, e.OccurredAt
		rows.DeviceTypes[i], rows.Browsers[i] = e.DeviceType, e.Browser
		rows.Extras[i] = e.Extra
	}
	return rows
}

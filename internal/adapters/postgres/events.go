package postgres

import (
	"encoding/json"
	"errors"
	"iter"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

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

// maxStatementBytes bounds the values that one statement carries. pgx encodes a statement as a whole, into buffers that
// take several times its size.
const maxStatementBytes = 4 << 20

// chunked splits items into runs, in their order, whose sizes come to maxStatementBytes at most. An item that is larger
// is a run of its own.
func chunked[T any](items []T, size func(T) int) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		begin, bytes := 0, 0
		for i, item := range items {
			more := size(item)
			if bytes+more > maxStatementBytes && i > begin {
				if !yield(items[begin:i]) {
					return
				}
				begin, bytes = i, 0
			}
			bytes += more
		}
		if begin < len(items) {
			yield(items[begin:])
		}
	}
}

// sizeOf returns about how many bytes an event takes in a statement.
func sizeOf(e domain.DecodedEvent) int {
	const fixed = 128 // ids, time, and the lengths of the values
	return fixed + len(e.Type) + len(e.Name) + len(e.Properties) + len(e.DeviceType) + len(e.Browser) + len(e.Extra)
}

func idsOf(events []domain.DecodedEvent) []domain.EventID {
	ids := make([]domain.EventID, len(events))
	for i := range events {
		ids[i] = events[i].ID
	}
	return ids
}

func toColumns(pageID int64, events []domain.DecodedEvent) dbsqlc.EventInsertManyParams {
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

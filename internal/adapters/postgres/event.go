package postgres

import (
	"context"
	"encoding/json"
	"iter"
	"strings"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A mismatch is an event whose stored row differs from it or is missing.
type mismatch struct {
	domain.DecodedEvent

	missing bool   // no row has the event's id
	columns string // the columns that differ, separated by commas; empty if the row is missing
	hash    string // a hash of the event's values, not of the row's
}

// findMismatches returns the events whose stored row differs or is missing, in input order. If PostgreSQL refuses a value of an
// event, it returns Unstorable.
func findMismatches(ctx context.Context, q *dbsqlc.Queries, events []domain.DecodedEvent) (all []mismatch, err error) {
	for chunk := range chunkBySize(events, eventSize) {
		rows, err := q.EventCompare(ctx, toCompareParams(chunk))
		if err != nil {
			return nil, conn.ClassifyRow(err)
		}
		for _, r := range rows {
			event := chunk[r.Place-1] // places count from 1
			all = append(all, mismatch{
				DecodedEvent: event, missing: r.Missing, columns: strings.Join(r.Columns, ", "), hash: r.Hash,
			})
		}
	}
	return all, nil
}

// conflict returns the reject that parks the event as a conflict, because its id is stored with other values.
func (m mismatch) conflict() domain.Reject {
	return domain.Reject{Record: m.Record, Values: m.hash, Why: domain.Rejection{
		ID: m.ID, Reason: domain.ReasonConflict, Field: m.columns,
		Detail: "the event of this id is stored with another value; the first one stays",
	}}
}

// maxStatementBytes bounds the size of the values in one statement. pgx encodes a whole statement at once, in buffers that are
// several times as large.
const maxStatementBytes = 4 << 20

// chunkBySize splits items into consecutive chunks of at most maxStatementBytes. An item that is larger is alone in its chunk.
func chunkBySize[T any](items []T, size func(T) int) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		begin, chunkBytes := 0, 0
		for i, item := range items {
			itemBytes := size(item)
			if i > begin && chunkBytes+itemBytes > maxStatementBytes {
				if !yield(items[begin:i]) {
					return
				}
				begin, chunkBytes = i, 0
			}
			chunkBytes += itemBytes
		}
		if begin < len(items) {
			yield(items[begin:])
		}
	}
}

// eventSize returns the approximate number of bytes that an event takes in a statement.
func eventSize(e domain.DecodedEvent) int {
	const fixed = 128 // for the ids, the time and the lengths of the values
	return fixed + len(e.Type) + len(e.Name) + len(e.Properties) + len(e.DeviceType) + len(e.Browser) + len(e.Extra)
}

func eventIDs(events []domain.DecodedEvent) []domain.EventID {
	ids := make([]domain.EventID, len(events))
	for i := range events {
		ids[i] = events[i].ID
	}
	return ids
}

// toColumns returns the parameters that insert the events: one array per column.
func toColumns(pageID int64, events []domain.DecodedEvent) dbsqlc.EventInsertManyParams {
	n := len(events)
	columns := dbsqlc.EventInsertManyParams{
		PageID:      pageID,
		Ids:         eventIDs(events),
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
		columns.SessionIds[i], columns.UserIds[i] = e.SessionID, e.UserID
		columns.Types[i], columns.Names[i] = e.Type, e.Name
		columns.Properties[i], columns.OccurredAts[i] = e.Properties, e.OccurredAt
		columns.DeviceTypes[i], columns.Browsers[i] = e.DeviceType, e.Browser
		columns.Extras[i] = e.Extra
	}
	return columns
}

// toCompareParams returns the parameters that compare the events with their rows: one array per column.
func toCompareParams(events []domain.DecodedEvent) dbsqlc.EventCompareParams {
	const noPage = 0 // a comparison has no page id
	c := toColumns(noPage, events)
	return dbsqlc.EventCompareParams{
		Ids: c.Ids, SessionIds: c.SessionIds, UserIds: c.UserIds, Types: c.Types, Names: c.Names,
		Properties: c.Properties, OccurredAts: c.OccurredAts, DeviceTypes: c.DeviceTypes,
		Browsers: c.Browsers, Extras: c.Extras,
	}
}

package postgres

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// compareRows compares the events of rows with their stored values. It adds the duplicates and conflicts of pages[i] to res[i]. It
// returns the rows whose ids are not stored. rows must be sorted by id. compareRows overwrites it.
//
// pawl compares the values itself, because PostgreSQL takes longer to compare them than to send them. PostgreSQL compares only the
// events that may differ from their stored values, see isSurelySame.
func (w *batchWriter) compareRows(ctx context.Context, rows []row, res []storedEvents) (missing []row, err error) {
	unsure := make([][]domain.DecodedEvent, len(w.pages)) // in each page, the events that PostgreSQL must compare
	missing = rows[:0]
	for begin := 0; begin < len(rows); {
		end := w.endOfLookUp(rows, begin)
		chunk := rows[begin:end]
		if err := w.fetchRows(ctx, chunk, res, unsure); err != nil {
			return nil, err
		}
		for i, r := range chunk {
			if !w.buffers.stored[i] {
				missing = append(missing, r)
			}
		}
		begin = end
	}
	for p, events := range unsure {
		if err := w.compareExactly(ctx, events, &res[p]); err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// endOfLookUp returns the end of the rows from begin on that one statement looks up. All rows of an id are looked up together.
func (w *batchWriter) endOfLookUp(rows []row, begin int) int {
	const maxIDs = maxStatementBytes / len(domain.EventID{})
	end := min(begin+maxIDs, len(rows))
	for end < len(rows) && w.hasSameID(rows[end-1], rows[end]) {
		end++
	}
	return end
}

// fetchRows fetches the stored values of the events of rows. It sets buffers.stored[i] to whether the id of rows[i] is stored. If an
// event surely has the stored values, fetchRows counts it as a duplicate in res. It adds the other stored events to unsure. res and
// unsure have an element for each page.
func (w *batchWriter) fetchRows(ctx context.Context, rows []row, res []storedEvents, unsure [][]domain.DecodedEvent) error {
	ids := w.buffers.ids[:0]
	for i, r := range rows {
		if i == 0 || !w.hasSameID(rows[i-1], r) {
			ids = append(ids, w.event(r).ID)
		}
	}
	stored := slices.Grow(w.buffers.stored[:0], len(rows))[:len(rows)]
	clear(stored)
	w.buffers.ids, w.buffers.stored = ids, stored
	sql, args := conn.Record(func(q *dbsqlc.Queries) error {
		_, err := q.EventFetch(ctx, ids)
		return err
	})
	inBinary := []any{pgx.QueryResultFormats{pgx.BinaryFormatCode}}
	answer, err := w.tx.Query(ctx, sql, append(inBinary, args...)...)
	if err != nil {
		return err
	}
	defer answer.Close()
	for n := 1; answer.Next(); n++ {
		if n%rowsPerProgress == 0 {
			w.progress()
		}
		values := answer.RawValues()
		id := values[columnID]
		for i := w.findID(rows, id); i < len(rows) && bytes.Equal(w.event(rows[i]).ID[:], id); i++ {
			event := w.event(rows[i])
			page := rows[i].page
			stored[i] = true
			if isSurelySame(&event.Event, values) {
				res[page].duplicate++
			} else {
				unsure[page] = append(unsure[page], *event)
			}
		}
	}
	w.progress()
	return answer.Err()
}

// rowsPerProgress is the number of fetched rows after which the time limit of the transaction begins again.
const rowsPerProgress = 1000

// findID returns the index of the first row with this id. rows must be sorted by id.
func (w *batchWriter) findID(rows []row, id []byte) int {
	prefix := binary.BigEndian.Uint64(id)
	i, _ := slices.BinarySearchFunc(rows, id, func(r row, id []byte) int {
		if r.prefix != prefix {
			return cmp.Compare(r.prefix, prefix)
		}
		return bytes.Compare(w.event(r).ID[prefixSize:], id[prefixSize:])
	})
	return i
}

// compareExactly lets PostgreSQL compare a page's events with their rows, and adds the duplicates and conflicts to res.
func (w *batchWriter) compareExactly(ctx context.Context, events []domain.DecodedEvent, res *storedEvents) error {
	if len(events) == 0 {
		return nil
	}
	mismatches, err := findMismatches(ctx, w.q, events)
	if err != nil {
		return err
	}
	w.progress()
	res.duplicate += int64(len(events) - len(mismatches))
	for _, m := range mismatches {
		res.conflicts = append(res.conflicts, m.conflict())
	}
	return nil
}

// These are the places of the columns in a row of EventFetch.
const (
	columnID = iota
	columnSessionID
	columnUserID
	columnType
	columnName
	columnProperties
	columnOccurredAt
	columnDeviceType
	columnBrowser
	columnExtra
)

// isSurelySame reports whether an event certainly has the stored values. If it returns false, the values may be the same nevertheless.
// values is a row of EventFetch in PostgreSQL's binary format.
func isSurelySame(e *domain.Event, values [][]byte) bool {
	return bytes.Equal(values[columnSessionID], e.SessionID[:]) &&
		bytes.Equal(values[columnUserID], e.UserID[:]) &&
		string(values[columnType]) == e.Type &&
		string(values[columnName]) == e.Name &&
		isSurelySameJSONB(e.Properties, values[columnProperties]) &&
		isSameTime(e.OccurredAt, values[columnOccurredAt]) &&
		string(values[columnDeviceType]) == e.DeviceType &&
		string(values[columnBrowser]) == e.Browser &&
		isSurelySameJSONB(e.Extra, values[columnExtra])
}

// isSameTime reports whether a time is the same as a stored one in binary format.
func isSameTime(t time.Time, stored []byte) bool {
	const size = 8
	return len(stored) == size && binary.BigEndian.Uint64(stored) == uint64(microsecondsSince2000(t)) //nolint:gosec // the same bits
}

// isSurelySameJSONB reports whether a JSON text certainly has the value of a jsonb in binary format. A nil slice stands for NULL.
func isSurelySameJSONB(text, stored []byte) bool {
	if text == nil || stored == nil {
		return text == nil && stored == nil
	}
	return len(stored) > 0 && stored[0] == jsonbVersion && isSurelySameJSON(text, stored[1:])
}

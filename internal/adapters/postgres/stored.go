package postgres

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// compareRows compares events with their stored rows and adds the duplicates and conflicts to res, which has an element for each page
// of the batch. It returns the rows whose ids are not stored. The rows must be sorted by id.
//
// It compares the values here, because PostgreSQL takes longer to compare them than to send them. If it is not certain that an event
// has the same values as its row, PostgreSQL compares the two.
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

// endOfLookUp returns the end of the rows that one statement looks up. All rows of an id are looked up together.
func (w *batchWriter) endOfLookUp(rows []row, begin int) int {
	const maxIDs = maxStatementBytes / len(domain.EventID{})
	end := min(begin+maxIDs, len(rows))
	for end < len(rows) && w.hasSameID(rows[end-1], rows[end]) {
		end++
	}
	return end
}

// fetchRows fetches the stored rows of the given ones. It sets stored[i] of the buffers to whether the id of rows[i] is stored. If an
// event surely has the same values as its row, it counts the event as a duplicate in res. It adds the other stored events to unsure.
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
	var fetch statement
	_, _ = dbsqlc.New(&fetch).EventFetch(ctx, ids) // it always returns errRecorded
	answer, err := w.tx.Query(ctx, fetch.sql, append([]any{pgx.QueryResultFormats{pgx.BinaryFormatCode}}, fetch.args...)...)
	if err != nil {
		return err
	}
	defer answer.Close()
	for n := 1; answer.Next(); n++ {
		if n%rowsPerProgress == 0 {
			w.progress()
		}
		values := answer.RawValues()
		for i := w.findID(rows, values[0]); i < len(rows) && bytes.Equal(w.event(rows[i]).ID[:], values[0]); i++ {
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

// findID returns the index of the first row with this id. The rows must be sorted.
func (w *batchWriter) findID(rows []row, id []byte) int {
	prefix := binary.BigEndian.Uint64(id)
	i, _ := slices.BinarySearchFunc(rows, prefix, func(r row, prefix uint64) int {
		if r.prefix != prefix {
			return cmp.Compare(r.prefix, prefix)
		}
		return bytes.Compare(w.event(r).ID[8:], id[8:])
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

// isSurelySame reports whether an event certainly has the same values as its stored row. If it returns false, they may be the same
// nevertheless. values are the columns of the row as EventFetch returns them, in PostgreSQL's binary format.
func isSurelySame(e *domain.Event, values [][]byte) bool {
	return bytes.Equal(values[1], e.SessionID[:]) &&
		bytes.Equal(values[2], e.UserID[:]) &&
		string(values[3]) == e.Type &&
		string(values[4]) == e.Name &&
		isSurelySameJSONB(e.Properties, values[5]) &&
		len(values[6]) == 8 && binary.BigEndian.Uint64(values[6]) == uint64(microsecondsSince2000(e.OccurredAt)) && //nolint:gosec // the same bits
		string(values[7]) == e.DeviceType &&
		string(values[8]) == e.Browser &&
		isSurelySameJSONB(e.Extra, values[9])
}

// isSurelySameJSONB reports whether a JSON text certainly has the value of a jsonb in binary format. A nil slice stands for NULL.
func isSurelySameJSONB(text, stored []byte) bool {
	if text == nil || stored == nil {
		return text == nil && stored == nil
	}
	return len(stored) > 0 && stored[0] == jsonbVersion && isSurelySameJSON(text, stored[1:])
}

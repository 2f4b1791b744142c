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

// compareRows compares the events of rows with their stored values. It adds the duplicates and conflicts of pages[i] to stored[i]. It
// returns the rows whose ids are not stored. rows must be sorted by id. compareRows overwrites it.
//
// pawl compares the values itself, because PostgreSQL takes longer to compare them than to send them. PostgreSQL compares only the
// events that may differ from their stored values, see isSurelySame.
func (w *batchWriter) compareRows(ctx context.Context, rows []row) (missing []row, err error) {
	l := &w.buffers.lookUp
	l.reset(w, rows)
	defer l.dropEvents()
	if err := l.run(ctx); err != nil {
		return nil, err
	}
	missing = rows[:0]
	for i, r := range rows {
		if !l.stored[i] {
			missing = append(missing, r)
		}
	}
	for p := range w.pages {
		w.stored[p].duplicate += l.duplicates[p]
		if err := w.compareExactly(ctx, l.unsure[p], &w.stored[p]); err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// endOfID returns the first index from i on at which another id begins. Rows with the same id must be looked up together.
func (w *batchWriter) endOfID(rows []row, i int) int {
	for i > 0 && i < len(rows) && w.hasSameID(rows[i-1], rows[i]) {
		i++
	}
	return i
}

// A rowLookUp looks up the stored values of rows.
type rowLookUp struct {
	batch *batchWriter
	rows  []row // sorted by id

	ids        []domain.EventID        // the ids of the rows that one statement looks up
	stored     []bool                  // for each row, whether its id is stored
	duplicates []int64                 // for each page, the number of events that surely have the stored values
	unsure     [][]domain.DecodedEvent // for each page, the other events whose ids are stored; PostgreSQL must compare them
}

// dropEvents drops all references to the pages of the batch, which Commit must not keep. It keeps the memory for rows.
func (l *rowLookUp) dropEvents() { l.batch, l.rows, l.unsure = nil, nil, nil }

// reset prepares the look-up of rows. It uses the memory for ids and stored of the last look-up again.
func (l *rowLookUp) reset(w *batchWriter, rows []row) {
	l.batch, l.rows = w, rows
	l.stored = slices.Grow(l.stored[:0], len(rows))[:len(rows)]
	clear(l.stored)
	l.duplicates = make([]int64, len(w.pages))
	l.unsure = make([][]domain.DecodedEvent, len(w.pages))
}

// run looks up all rows.
func (l *rowLookUp) run(ctx context.Context) error {
	const maxIDs = maxStatementBytes / len(domain.EventID{})
	for begin := 0; begin < len(l.rows); {
		end := l.batch.endOfID(l.rows, min(begin+maxIDs, len(l.rows)))
		if err := l.fetch(ctx, begin, end); err != nil {
			return err
		}
		begin = end
	}
	return nil
}

// fetch fetches the stored values of rows[begin:end] with one statement, and compares them.
func (l *rowLookUp) fetch(ctx context.Context, begin, end int) error {
	w, rows, stored := l.batch, l.rows[begin:end], l.stored[begin:end]
	l.ids = l.ids[:0]
	for i, r := range rows {
		if i == 0 || !w.hasSameID(rows[i-1], r) {
			l.ids = append(l.ids, w.event(r).ID)
		}
	}
	sql, args := conn.Record(func(q *dbsqlc.Queries) error {
		_, err := q.EventFetch(ctx, l.ids)
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
				l.duplicates[page]++
			} else {
				l.unsure[page] = append(l.unsure[page], *event)
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

package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"

	"github.com/pawldata/pawl/internal/domain"
)

// A batchWriter writes the records of all pages of a batch. Its pageID is that of the page which it is writing.
type batchWriter struct {
	writer

	pages   []domain.DecodedPage
	pageIDs []int64 // the ids of the pages' ledger rows
	buffers *rowBuffers
}

// rowBuffers holds the memory that a batchWriter needs for each event. The next batch uses it again.
type rowBuffers struct {
	rows, scratch []row
	ids           []domain.EventID
	stored        []bool
}

// A row stands for an event that is to become a row of the table.
type row struct {
	prefix      uint64 // the first 8 bytes of the event's id
	page, index int32  // pages[page].Events[index] is the event
}

// writePages stores the events of the pages, parks the other records and registers the drift. It returns the counts of each page, and
// the entries that the drift register did not have. hasOpenLetters reports whether the stream has an open dead letter that an event
// may supersede.
func (w *batchWriter) writePages(ctx context.Context, hasOpenLetters bool) ([]domain.Counts, []domain.DriftEntry, error) {
	stored := make([]storedEvents, len(w.pages))
	if w.copy {
		if err := w.copyPages(ctx, stored); err != nil {
			return nil, nil, err
		}
	}
	counts := make([]domain.Counts, len(w.pages))
	var newDrift []domain.DriftEntry
	for i, page := range w.pages {
		w.pageID = w.pageIDs[i]
		if !w.copy {
			res, err := w.storeEvents(ctx, page.Events, &rejectLimit{writer: &w.writer, page: page})
			if err != nil {
				return nil, nil, err
			}
			stored[i] = res.count()
		}
		var err error
		if counts[i], err = w.writePage(ctx, page, stored[i], hasOpenLetters); err != nil {
			return nil, nil, err
		}
		hasOpenLetters = hasOpenLetters || counts[i].Parked > 0
		added, err := registerDrift(ctx, w.q, w.stream, w.pageID, page.Drift)
		if err != nil {
			return nil, nil, err
		}
		newDrift = append(newDrift, added...)
	}
	return counts, newDrift, nil
}

// copyPages stores the events of all pages with one COPY. If an id occurs several times, it inserts the first event with this id and
// compares the others with it. If expectDuplicates is true, it first compares the events whose ids are stored already with their rows.
// It adds to res, which has an element for each page, what happened to the events.
//
// After an error the transaction is over. For the kinds of errors see copyRows.
func (w *batchWriter) copyPages(ctx context.Context, res []storedEvents) error {
	rows := w.sortRows()
	if w.expectDuplicates {
		var err error
		if rows, err = w.compareRows(ctx, rows, res); err != nil {
			return err
		}
	}
	rows, repeats := w.splitRepeats(rows)
	if err := w.copyRows(ctx, rows); err != nil {
		return err
	}
	for _, r := range rows {
		res[r.page].inserted++
	}
	// If a repeat had no row, it would be counted nowhere, and checkBalance would find that (I5).
	_, err := w.compareRows(ctx, repeats, res)
	return err
}

// sortRows returns a row for each event of the batch, in order of the ids. PostgreSQL inserts sorted ids faster, because consecutive
// ones often belong on the same page of the index. Events with the same id stay in the order of the batch.
func (w *batchWriter) sortRows() []row {
	rows := w.buffers.rows[:0]
	for p := range w.pages {
		events := w.pages[p].Events
		for i := range events {
			prefix := binary.BigEndian.Uint64(events[i].ID[:8])
			rows = append(rows, row{prefix, int32(p), int32(i)})
		}
	}
	scratch := slices.Grow(w.buffers.scratch[:0], len(rows))[:len(rows)]
	rows, scratch = sortByPrefix(rows, scratch)
	w.buffers.rows, w.buffers.scratch = rows, scratch
	for begin := 0; begin < len(rows); {
		end := begin + 1
		for end < len(rows) && rows[end].prefix == rows[begin].prefix {
			end++
		}
		if end-begin > 1 {
			slices.SortStableFunc(rows[begin:end], func(a, b row) int { return bytes.Compare(w.event(a).ID[8:], w.event(b).ID[8:]) })
		}
		begin = end
	}
	return rows
}

// sortByPrefix sorts the rows by their prefixes and keeps the order of rows with the same prefix. It needs a second slice of the same
// length. One of the two holds the result. sortByPrefix is a radix sort, which is several times as fast as slices.SortFunc here.
func sortByPrefix(rows, scratch []row) (sorted, unused []row) {
	for shift := 0; shift < 64 && len(rows) > 0; shift += 8 {
		var begins [256]int // first the number of rows with each byte, then the place of the next one
		for _, r := range rows {
			begins[r.byteAt(shift)]++
		}
		if begins[rows[0].byteAt(shift)] == len(rows) {
			continue // all rows have the same byte
		}
		place := 0
		for i, n := range &begins {
			begins[i] = place
			place += n
		}
		for _, r := range rows {
			next := &begins[r.byteAt(shift)]
			scratch[*next] = r
			*next++
		}
		rows, scratch = scratch, rows
	}
	return rows, scratch
}

// byteAt returns the byte of the prefix that begins at this bit.
func (r row) byteAt(bit int) byte { return byte(r.prefix >> bit & 0xff) }

// splitRepeats splits sorted rows into the first row of each id and the others.
func (w *batchWriter) splitRepeats(rows []row) (firsts, repeats []row) {
	firsts = rows[:0]
	for _, r := range rows {
		if n := len(firsts); n > 0 && w.hasSameID(firsts[n-1], r) {
			repeats = append(repeats, r)
		} else {
			firsts = append(firsts, r)
		}
	}
	return firsts, repeats
}

// event returns the event of a row.
func (w *batchWriter) event(r row) *domain.DecodedEvent { return &w.pages[r.page].Events[r.index] }

func (w *batchWriter) hasSameID(a, b row) bool {
	return a.prefix == b.prefix && w.event(a).ID == w.event(b).ID
}

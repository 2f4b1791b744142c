package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A batchWriter writes the records of all pages of a batch, one page after the other. The embedded writer's pageID is the id of the
// current page. COPY is the exception: it writes the events of all pages at once.
type batchWriter struct {
	writer

	pages   []domain.DecodedPage
	pageIDs []int64 // the ids of the pages' ledger rows
	buffers *rowBuffers

	stored      []storedEvents // for each page, what copyPages has done
	foundStored bool           // the look-up before COPY has found an id that was stored before this batch
	res         domain.CommitResult
	completed   time.Time // the end of complete
}

// writeOptions returns the options with which the next batch should be stored first.
func (s *Store) writeOptions() writeOptions {
	return writeOptions{copy: !s.copyUnsupported, expectDuplicates: s.batchesToLookUp > 0}
}

// newBatchWriter returns a writer of the pages. The caller must call use in a transaction, and endBatchWriter at the end.
func (s *Store) newBatchWriter(stream domain.StreamID, pages []domain.DecodedPage, opts writeOptions) *batchWriter {
	buffers, ok := s.buffers.Get().(*rowBuffers)
	if !ok {
		buffers = &rowBuffers{}
	}
	return &batchWriter{
		writer: writer{writeOptions: opts, stream: stream.String()}, pages: pages, buffers: buffers, stored: make([]storedEvents, len(pages)),
	}
}

// endBatchWriter lets later writers use the memory of w.
func (s *Store) endBatchWriter(w *batchWriter) { s.buffers.Put(w.buffers) }

// use makes the writer write in a transaction. progress restarts the time limit of the transaction.
func (w *batchWriter) use(tx pgx.Tx, progress func()) {
	w.tx, w.q, w.progress = tx, dbsqlc.New(tx), progress
}

// rowBuffers holds the memory that a batchWriter needs for each event. The next batch uses it again.
type rowBuffers struct {
	rows, scratch []row     // used by sortRows
	lookUp        rowLookUp // used by compareRows
}

// A row stands for an event of the batch that is to become a row of the table. It is small, so that sorting is fast.
type row struct {
	prefix      uint64 // the first prefixSize bytes of the event's id
	page, index int32  // the event is pages[page].Events[index]
}

const prefixSize = 8

// writePages stores the events of the pages, unless copyPages has done it, parks the other records and registers the drift. It returns the counts of each page, and
// the new entries of the drift register. hasOpenLetters reports whether the stream has an open dead letter that an event may supersede.
func (w *batchWriter) writePages(ctx context.Context, hasOpenLetters bool) ([]domain.Counts, []domain.DriftEntry, error) {
	counts := make([]domain.Counts, len(w.pages))
	var newDrift []domain.DriftEntry
	for i, page := range w.pages {
		w.pageID = w.pageIDs[i]
		if !w.copy {
			res, err := w.storeEvents(ctx, page.Events, &rejectLimit{writer: &w.writer, page: page})
			if err != nil {
				return nil, nil, err
			}
			w.stored[i] = res.count()
		}
		var err error
		if counts[i], err = w.writePage(ctx, page, w.stored[i], hasOpenLetters); err != nil {
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

// copyPages stores the events of all pages with one COPY. rows is the result of sortRows, which copyPages overwrites. If an id occurs several times in the batch, it copies the first event with
// this id and compares the others with the new row. If expectDuplicates is true, it first looks up the ids that are stored already,
// compares their events with the rows, and does not copy them. In stored[i] it counts what happened to the events of pages[i].
//
// After an error the transaction is over. copyRows lists the errors.
func (w *batchWriter) copyPages(ctx context.Context, rows []row) error {
	if w.expectDuplicates {
		missing, err := w.compareRows(ctx, rows)
		if err != nil {
			return err
		}
		w.foundStored = len(missing) < len(rows)
		rows = missing
	}
	rows, repeats := w.splitRepeats(rows)
	if err := w.copyRows(ctx, rows); err != nil {
		return err
	}
	for _, r := range rows {
		w.stored[r.page].inserted++
	}
	// All repeats have a row now. A repeat without a row would be counted nowhere, and checkBalance would find that (I5).
	// Only this session sees these rows before the commit.
	_, err := w.compareRows(ctx, repeats)
	return err
}

// sortRows returns a row for each event of the batch, in order of the ids. PostgreSQL inserts sorted ids faster, because neighbours
// often belong on the same page of the table's index. Events with the same id stay in the order of the batch.
func (w *batchWriter) sortRows() []row {
	rows := w.buffers.rows[:0]
	for p := range w.pages {
		events := w.pages[p].Events
		for i := range events {
			prefix := binary.BigEndian.Uint64(events[i].ID[:prefixSize])
			rows = append(rows, row{prefix, int32(p), int32(i)})
		}
	}
	scratch := slices.Grow(w.buffers.scratch[:0], len(rows))[:len(rows)]
	rows, scratch = sortByPrefix(rows, scratch)
	w.buffers.rows, w.buffers.scratch = rows, scratch
	for begin := 0; begin < len(rows); { // sorts each group of rows with the same prefix by the rest of the id
		end := begin + 1
		for end < len(rows) && rows[end].prefix == rows[begin].prefix {
			end++
		}
		if end-begin > 1 {
			slices.SortStableFunc(rows[begin:end], func(a, b row) int {
				return bytes.Compare(w.event(a).ID[prefixSize:], w.event(b).ID[prefixSize:])
			})
		}
		begin = end
	}
	return rows
}

// sortByPrefix sorts the rows by their prefixes and keeps the order of rows with the same prefix. scratch must have the same length as
// rows. One of the two slices becomes the result, the other one is unused.
//
// sortByPrefix is a radix sort, which is several times as fast as slices.SortFunc here. It sorts by each byte of the prefix in turn,
// the lowest byte first.
func sortByPrefix(rows, scratch []row) (sorted, unused []row) {
	for shift := 0; shift < 8*prefixSize && len(rows) > 0; shift += 8 {
		var counts [256]int // the number of rows with each value of the byte
		for _, r := range rows {
			counts[r.byteAt(shift)]++
		}
		if counts[rows[0].byteAt(shift)] == len(rows) {
			continue // all rows have the same byte
		}
		var places [256]int // where the next row with each value of the byte belongs in the sorted slice
		for value := 1; value < len(places); value++ {
			places[value] = places[value-1] + counts[value-1]
		}
		for _, r := range rows {
			place := &places[r.byteAt(shift)]
			scratch[*place] = r
			*place++
		}
		rows, scratch = scratch, rows
	}
	return rows, scratch
}

// byteAt returns the byte of the prefix above its lowest shift bits.
func (r row) byteAt(shift int) byte { return byte(r.prefix >> shift & 0xff) }

// splitRepeats splits sorted rows into the first row of each id and the others. It overwrites rows.
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

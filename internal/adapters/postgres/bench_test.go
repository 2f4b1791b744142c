package postgres

import (
	"encoding/binary"
	"io"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/mockapi"
)

// The size of the batch in the benchmarks.
const (
	benchPages    = 4
	benchPageSize = 5000
)

// BenchmarkEncodeRows measures how a batch is sorted and encoded for COPY. Each operation is one batch.
func BenchmarkEncodeRows(b *testing.B) {
	w := newBenchWriter(b)
	b.ReportAllocs()
	for b.Loop() {
		rows, _ := w.splitRepeats(w.sortRows())
		reader := newCopyReader(w, rows)
		n, err := io.Copy(io.Discard, struct{ io.Reader }{reader})
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(n)
	}
	reportPerEvent(b)
}

// BenchmarkSortRows measures only the sort of BenchmarkEncodeRows.
func BenchmarkSortRows(b *testing.B) {
	w := newBenchWriter(b)
	b.ReportAllocs()
	for b.Loop() {
		w.sortRows()
	}
	reportPerEvent(b)
}

// BenchmarkCompareRows measures how the events of a batch are compared with the values of their stored rows.
func BenchmarkCompareRows(b *testing.B) {
	w := newBenchWriter(b)
	var stored [][][]byte
	for _, page := range w.pages {
		for _, e := range page.Events {
			stored = append(stored, storedValues(e.Event))
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		i := 0
		for _, page := range w.pages {
			for j := range page.Events {
				if !isSurelySame(&page.Events[j].Event, stored[i]) {
					b.Fatalf("event %d is not surely the same: %s and %s", i, page.Events[j].Properties, stored[i][5])
				}
				i++
			}
		}
	}
	reportPerEvent(b)
}

// storedValues returns an event's values as EventFetch would return them. PostgreSQL puts a space behind each colon and comma in JSON.
func storedValues(e domain.Event) [][]byte {
	properties := []byte{jsonbVersion}
	inString := false
	for i, c := range e.Properties {
		properties = append(properties, c)
		if c == '"' && e.Properties[i-1] != '\\' {
			inString = !inString
		}
		if !inString && (c == ':' || c == ',') {
			properties = append(properties, ' ')
		}
	}
	occurredAt := binary.BigEndian.AppendUint64(nil, uint64(microsecondsSince2000(e.OccurredAt)))
	return [][]byte{
		e.ID[:], e.SessionID[:], e.UserID[:], []byte(e.Type), []byte(e.Name), properties, occurredAt,
		[]byte(e.DeviceType), []byte(e.Browser), nil,
	}
}

// newBenchWriter returns a writer of a batch with events of the mock API.
func newBenchWriter(b *testing.B) *batchWriter {
	b.Helper()
	cfg := mockapi.DefaultConfig()
	cfg.Events = benchPages * benchPageSize
	api, err := mockapi.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	w := &batchWriter{writer: writer{progress: func() {}}, buffers: &rowBuffers{}}
	for p := range benchPages {
		var page domain.DecodedPage
		for _, r := range api.Truth().Rows(p*benchPageSize, (p+1)*benchPageSize) {
			page.Events = append(page.Events, domain.DecodedEvent{Event: toEvent(b, r)})
		}
		w.pages, w.pageIDs = append(w.pages, page), append(w.pageIDs, int64(p+1))
	}
	return w
}

// toEvent returns the event that the decoder makes of the mock API's record.
func toEvent(b *testing.B, r mockapi.Row) domain.Event {
	b.Helper()
	e := domain.Event{
		Type: r.Type, Name: r.Name, Properties: r.Properties, OccurredAt: r.OccurredAt.Truncate(time.Microsecond),
		DeviceType: r.DeviceType, Browser: r.Browser,
	}
	for text, id := range map[string]*domain.UUID{r.ID: &e.ID, r.SessionID: &e.SessionID, r.UserID: &e.UserID} {
		var err error
		if *id, err = domain.ParseUUID(text); err != nil {
			b.Fatal(err)
		}
	}
	return e
}

// reportPerEvent reports the time per event.
func reportPerEvent(b *testing.B) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(benchPages*benchPageSize), "ns/event")
}

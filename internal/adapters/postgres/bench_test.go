package postgres

import (
	"encoding/binary"
	"io"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/mockapi"
)

// The benchmarks use a batch of this size.
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
		encodedBytes, err := io.Copy(io.Discard, newCopyReader(w, rows))
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(encodedBytes)
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
	var stored [][][]byte // the stored values of each event
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
					b.Fatalf("event %d is not surely the same: %s and %s", i, page.Events[j].Properties, stored[i][columnProperties])
				}
				i++
			}
		}
	}
	reportPerEvent(b)
}

// storedValues returns an event's values as EventFetch would return them if the event was stored. In the text of a jsonb PostgreSQL
// writes a space after each colon and comma that is not in a string.
func storedValues(e domain.Event) [][]byte {
	properties := []byte{jsonbVersion}
	inString := false
	for i, c := range e.Properties {
		properties = append(properties, c)
		isQuote := c == '"' && e.Properties[i-1] != '\\' // the first byte is a brace
		if isQuote {
			inString = !inString
		}
		isPunctuation := c == ':' || c == ','
		if isPunctuation && !inString {
			properties = append(properties, ' ')
		}
	}
	occurredAt := binary.BigEndian.AppendUint64(nil, uint64(microsecondsSince2000(e.OccurredAt)))
	return [][]byte{
		columnID:         e.ID[:],
		columnSessionID:  e.SessionID[:],
		columnUserID:     e.UserID[:],
		columnType:       []byte(e.Type),
		columnName:       []byte(e.Name),
		columnProperties: properties,
		columnOccurredAt: occurredAt,
		columnDeviceType: []byte(e.DeviceType),
		columnBrowser:    []byte(e.Browser),
		columnExtra:      nil,
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
	parse := func(text string) domain.UUID {
		id, err := domain.ParseUUID(text)
		if err != nil {
			b.Fatal(err)
		}
		return id
	}
	return domain.Event{
		ID: parse(r.ID), SessionID: parse(r.SessionID), UserID: parse(r.UserID),
		Type: r.Type, Name: r.Name, Properties: r.Properties, OccurredAt: r.OccurredAt.Truncate(time.Microsecond),
		DeviceType: r.DeviceType, Browser: r.Browser,
	}
}

// reportPerEvent reports the time per event.
func reportPerEvent(b *testing.B) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(benchPages*benchPageSize), "ns/event")
}

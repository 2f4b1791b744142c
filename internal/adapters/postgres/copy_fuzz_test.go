package postgres

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// FuzzCopyReader encodes two events into buffers of some size and reads the bytes as PostgreSQL does. It checks that each field has
// exactly its value, whatever bytes are in the texts, and that rowSize is not too small.
func FuzzCopyReader(f *testing.F) {
	f.Add("click", "näme", []byte(`{"a":[1,"\n"]}`), []byte(nil), "\xff\xff", int64(1769541553629001), int64(7), 1)
	f.Add("", "PGCOPY\n\xff\r\n\x00", []byte("\x01{}"), []byte("{}"), "\x00\x0b", int64(-62135596800000000), int64(-1), 100)
	f.Add("\xff\xff\xff\xff", "", []byte("{}"), []byte(""), "", int64(253402300799999999), int64(1<<62), 1<<20)
	f.Fuzz(func(t *testing.T, typ, name string, properties, extra []byte, browser string, micros, pageID int64, size int) {
		occurredAt := time.UnixMicro(micros).UTC()
		if occurredAt.Year() < 1 || occurredAt.Year() > 9999 || properties == nil {
			return // no event is like this
		}
		first := domain.Event{
			ID: domaintest.EventID(1), SessionID: domain.UUID{1: 0xff}, UserID: domain.UUID{15: 1}, Type: typ, Name: name,
			Properties: properties, OccurredAt: occurredAt, DeviceType: "d", Browser: browser, Extra: extra,
		}
		second := first
		second.ID, second.Extra = domaintest.EventID(2), nil // sortRows keeps this order
		w := &batchWriter{writer: writer{progress: func() {}}, buffers: &rowBuffers{}, pageIDs: []int64{pageID}}
		w.pages = []domain.DecodedPage{{Events: []domain.DecodedEvent{{Event: first}, {Event: second}}}}
		rows, _ := w.splitRepeats(w.sortRows())
		data, err := io.ReadAll(bufferReader{Reader: newCopyReader(w, rows), size: 1 + int(uint32(size)%(1<<16))})
		if err != nil {
			t.Fatal(err)
		}
		rest, hasHeader := bytes.CutPrefix(data, []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
		if !hasHeader {
			t.Fatalf("got %q, want a header", data)
		}
		for _, e := range []domain.Event{first, second} {
			length := len(rest)
			rest = checkFields(t, rest, [][]byte{
				e.ID[:], e.SessionID[:], e.UserID[:], []byte(e.Type), []byte(e.Name), jsonb(e.Properties), bigEndian(micros - 946684800000000),
				[]byte(e.DeviceType), []byte(e.Browser), jsonb(e.Extra), bigEndian(pageID),
			})
			if length -= len(rest); length > rowSize(&e) {
				t.Errorf("got a row of %d bytes, want at most %d", length, rowSize(&e))
			}
		}
		if string(rest) != "\xff\xff" {
			t.Errorf("got %q behind the rows, want the trailer", rest)
		}
	})
}

// checkFields reads a row with these fields, in which nil stands for NULL, and returns the bytes behind it.
func checkFields(t *testing.T, data []byte, want [][]byte) (rest []byte) {
	t.Helper()
	if count := int(binary.BigEndian.Uint16(data)); count != len(want) {
		t.Fatalf("got %d fields, want %d", count, len(want))
	}
	rest = data[2:]
	for i, value := range want {
		length := int32(binary.BigEndian.Uint32(rest))
		rest = rest[4:]
		if (length < 0) != (value == nil) {
			t.Fatalf("field %d: got length %d, want %q", i, length, value)
		}
		if length < 0 {
			continue
		}
		if got := rest[:length]; !bytes.Equal(got, value) {
			t.Fatalf("field %d: got %q, want %q", i, got, value)
		}
		rest = rest[length:]
	}
	return rest
}

// jsonb returns a JSON text as the binary format of jsonb: behind the version 1. It returns nil for nil.
func jsonb(text []byte) []byte {
	if text == nil {
		return nil
	}
	return append([]byte{1}, text...)
}

func bigEndian(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// A bufferReader reads into buffers of at most size bytes.
type bufferReader struct {
	io.Reader

	size int
}

// Read implements io.Reader.
func (r bufferReader) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(len(p), r.size)]) }

// TestCopyReader checks that the encoded bytes do not depend on the size of the buffer, even if a row does not fit into it.
func TestCopyReader(t *testing.T) {
	t.Parallel()
	const pageID = 7
	w := &batchWriter{writer: writer{progress: func() {}}, buffers: &rowBuffers{}, pageIDs: []int64{pageID}}
	var page domain.DecodedPage
	want := []byte(copyHeader)
	for i, padding := range []int{0, 1, 900, 200_000, 1000} { // the ids are in ascending order, so sortRows keeps the order
		e := domain.Event{ID: domaintest.EventID(uint64(i)), Properties: []byte(`"` + strings.Repeat("x", padding) + `"`)}
		page.Events = append(page.Events, domain.DecodedEvent{Event: e})
		want = appendRow(want, &e, pageID)
		if got, limit := len(appendRow(nil, &e, pageID)), rowSize(&e); got > limit {
			t.Errorf("event %d: got a row of %d bytes, want at most %d", i, got, limit)
		}
	}
	want = append(want, copyTrailer...)
	w.pages = []domain.DecodedPage{page}
	for _, size := range []int{1, 2, 100, 1024, 64 << 10, 1 << 20} {
		t.Run(fmt.Sprintf("buffers of %d bytes", size), func(t *testing.T) {
			rows, _ := w.splitRepeats(w.sortRows())
			got, err := io.ReadAll(bufferReader{Reader: newCopyReader(w, rows), size: size})
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("got %d bytes, %v, want %d bytes", len(got), err, len(want))
			}
		})
	}
	rows, _ := w.splitRepeats(w.sortRows())
	if err := iotest.TestReader(newCopyReader(w, rows), want); err != nil {
		t.Error(err)
	}
}

// TestCopyReaderClosed checks that Read fails after close.
func TestCopyReaderClosed(t *testing.T) {
	t.Parallel()
	var none []row
	r := newCopyReader(&batchWriter{writer: writer{progress: func() {}}}, none)
	r.close()
	if n, err := r.Read(make([]byte, 100)); n != 0 || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %d bytes, %v, want none and io.ErrClosedPipe", n, err)
	}
}

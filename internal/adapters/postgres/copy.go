package postgres

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/domain"
)

// The errors after which a batch must be stored in another way than with COPY.
var (
	errIDStored        = errors.New("the id of an event is stored already")
	errCopyUnsupported = errors.New("PostgreSQL does not support COPY into the table of events")
)

// copyEvents inserts the events with COPY, which is several times as fast as INSERT. If the page has an id twice, it inserts the
// first event of this id only. It returns the number of inserted events, which is smaller than that of the events if a trigger
// skips some.
//
// After an error the transaction is over. The error is errIDStored if an id is stored already, because COPY cannot skip it. It is
// errCopyUnsupported if the table has row-level security or is no table. If PostgreSQL refuses a value, it is Unstorable.
func (w *writer) copyEvents(ctx context.Context, events []domain.DecodedEvent) (inserted int64, err error) {
	rows := sortedByID(events)
	if len(rows) == 0 {
		return 0, nil
	}
	const statement = "COPY events (id, session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra, page_id) " +
		"FROM STDIN BINARY"
	tag, err := w.tx.Conn().PgConn().CopyFrom(ctx, &copyReader{rows: rows, pageID: w.pageID, progress: w.progress}, statement)
	if err != nil {
		return 0, classifyCopy(err)
	}
	return tag.RowsAffected(), nil
}

// classifyCopy classifies an error of COPY. It looks at the SQLSTATE only: the names of the table and of its key may be others,
// for example in a partitioned table.
func classifyCopy(err error) error {
	const featureNotSupported, wrongObjectType = "0A000", "42809"
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	switch answer.Code {
	case uniqueViolation:
		return fmt.Errorf("%w: %w", errIDStored, err)
	case featureNotSupported, wrongObjectType:
		return fmt.Errorf("%w: %w", errCopyUnsupported, err)
	}
	return conn.ClassifyRow(err)
}

// sortedByID returns pointers to the events in order of their ids, each id once. PostgreSQL inserts sorted ids faster, because
// consecutive ones often belong on the same page of the index.
func sortedByID(events []domain.DecodedEvent) []*domain.Event {
	// The sort compares the first 8 bytes of the ids as numbers; it looks at a whole id only if these are equal.
	type key struct {
		prefix uint64
		index  int
	}
	keys := make([]key, len(events))
	for i := range events {
		keys[i] = key{binary.BigEndian.Uint64(events[i].ID[:8]), i}
	}
	slices.SortFunc(keys, func(a, b key) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		if c := slices.Compare(events[a.index].ID[8:], events[b.index].ID[8:]); c != 0 {
			return c
		}
		return a.index - b.index // so that the first event of an id stays first
	})
	rows := make([]*domain.Event, 0, len(events))
	for _, k := range keys {
		event := &events[k.index].Event
		if len(rows) == 0 || rows[len(rows)-1].ID != event.ID {
			rows = append(rows, event)
		}
	}
	return rows
}

// A copyReader encodes events in the binary format of COPY (PostgreSQL manual, COPY, "Binary Format"), a few rows for each
// call of Read.
type copyReader struct {
	rows     []*domain.Event
	pageID   int64
	progress func() // called by each Read

	encoded []byte // what Read has encoded and not returned yet
	started bool
	ended   bool
	buffer  []byte // the memory of encoded
}

// copyChunkBytes is the size from which copyReader stops to encode rows before Read returns them.
const copyChunkBytes = 64 << 10

// Read implements io.Reader.
func (r *copyReader) Read(p []byte) (int, error) {
	if len(r.encoded) == 0 {
		if r.ended {
			return 0, io.EOF
		}
		r.progress()
		r.encodeNext()
	}
	n := copy(p, r.encoded)
	r.encoded = r.encoded[n:]
	return n, nil
}

// encodeNext encodes the next rows into encoded: first the header, and the trailer after the last row.
func (r *copyReader) encodeNext() {
	data := r.buffer[:0]
	if !r.started {
		const signature = "PGCOPY\n\xff\r\n\x00"
		data = append(data, signature...)
		data = append(data, 0, 0, 0, 0, 0, 0, 0, 0) // no flags, and no header extension
		r.started = true
	}
	for len(r.rows) > 0 && len(data) < copyChunkBytes {
		data = appendRow(data, r.rows[0], r.pageID)
		r.rows = r.rows[1:]
	}
	if len(r.rows) == 0 {
		data = append(data, 0xff, 0xff) // -1 fields: the end
		r.ended = true
	}
	r.buffer, r.encoded = data, data
}

// appendRow appends a row to data: the number of fields, and for each field its length and its value.
func appendRow(data []byte, e *domain.Event, pageID int64) []byte {
	const fields = 11
	data = binary.BigEndian.AppendUint16(data, fields)
	data = appendField(data, e.ID[:])
	data = appendField(data, e.SessionID[:])
	data = appendField(data, e.UserID[:])
	data = appendField(data, e.Type)
	data = appendField(data, e.Name)
	data = appendJSON(data, e.Properties)
	data = appendInt64(data, microsecondsSince2000(e.OccurredAt))
	data = appendField(data, e.DeviceType)
	data = appendField(data, e.Browser)
	data = appendJSON(data, e.Extra)
	return appendInt64(data, pageID)
}

func appendField[T string | []byte](data []byte, value T) []byte {
	data = binary.BigEndian.AppendUint32(data, uint32(len(value))) //nolint:gosec // at most the size of a page
	return append(data, value...)
}

func appendInt64(data []byte, value int64) []byte {
	const size = 8
	data = binary.BigEndian.AppendUint32(data, size)
	return binary.BigEndian.AppendUint64(data, uint64(value)) //nolint:gosec // the same bits
}

// appendJSON appends a value of type jsonb: a version byte and the JSON text, or NULL for nil.
func appendJSON(data, value []byte) []byte {
	if value == nil {
		return append(data, 0xff, 0xff, 0xff, 0xff) // length -1 stands for NULL
	}
	const version = 1
	data = binary.BigEndian.AppendUint32(data, uint32(len(value)+1)) //nolint:gosec // at most the size of a page
	data = append(data, version)
	return append(data, value...)
}

// microsecondsSince2000 returns a time as PostgreSQL stores it.
func microsecondsSince2000(t time.Time) int64 {
	return t.UnixMicro() - time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
}

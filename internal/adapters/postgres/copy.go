package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
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

// copyRows inserts the events of the rows with COPY, which is several times as fast as INSERT.
//
// After an error the transaction is over. The error is errIDStored if an id is stored already, because COPY cannot skip it, or if a
// trigger has skipped a row. It is errCopyUnsupported if the table has row-level security or is no table. If PostgreSQL refuses a
// value, it is Unstorable.
func (w *batchWriter) copyRows(ctx context.Context, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	const statement = "COPY events (id, session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra, page_id) " +
		"FROM STDIN BINARY"
	reader := newCopyReader(w, rows)
	tag, err := w.tx.Conn().PgConn().CopyFrom(ctx, reader, statement)
	reader.close()
	if err != nil {
		return classifyCopy(err)
	}
	w.progress()
	if n := tag.RowsAffected(); n != int64(len(rows)) {
		return fmt.Errorf("%w: a trigger has skipped some of %d rows, %d are left", errIDStored, len(rows), n)
	}
	return nil
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

// A copyReader encodes rows in the binary format of COPY (PostgreSQL manual, COPY, "Binary Format"). Each Read encodes as many rows
// as its buffer can hold.
type copyReader struct {
	batch *batchWriter
	rows  []row // the rows that are not encoded yet

	mutex  sync.Mutex // protects the reader against close
	closed bool
	ended  bool   // the trailer is encoded
	rest   []byte // what is encoded and did not fit into the buffer of the last Read
}

// newCopyReader returns a reader of the rows. The caller must close it.
func newCopyReader(w *batchWriter, rows []row) *copyReader {
	return &copyReader{batch: w, rows: rows, rest: []byte(copyHeader)}
}

// close makes all further calls of Read fail. After a lost connection pgconn may still be reading when CopyFrom returns, but the rows
// then belong to the caller again.
func (r *copyReader) close() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.closed = true
}

// Read implements io.Reader.
func (r *copyReader) Read(p []byte) (int, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.closed {
		return 0, io.ErrClosedPipe
	}
	r.batch.progress()
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	if len(r.rest) > 0 {
		return n, nil
	}
	return r.encode(p, n)
}

// encode encodes rows into p, from p[n] on, and after the last row the trailer. It returns the number of used bytes in p. If a row
// does not fit into an empty p, it keeps the end of the row in rest.
func (r *copyReader) encode(p []byte, n int) (int, error) {
	data := p[:n:len(p)]
	for ; len(r.rows) > 0; r.rows = r.rows[1:] {
		event := &r.batch.event(r.rows[0]).Event
		pageID := r.batch.pageIDs[r.rows[0].page]
		if len(data)+rowSize(event) <= len(p) {
			data = appendRow(data, event, pageID)
			continue
		}
		if len(data) > 0 {
			return len(data), nil
		}
		encoded := appendRow(nil, event, pageID)
		n := copy(p, encoded)
		r.rest, r.rows = encoded[n:], r.rows[1:]
		return n, nil
	}
	if r.ended {
		return len(data), io.EOF
	}
	r.ended = true
	fitting := copy(p[len(data):], copyTrailer)
	r.rest = []byte(copyTrailer[fitting:])
	return len(data) + fitting, nil
}

// copyHeader begins the data of COPY: a signature, no flags and no header extension. copyTrailer ends it: a row with -1 fields.
const (
	copyHeader  = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"
	copyTrailer = "\xff\xff"
)

// copyFields is the number of columns in a row.
const copyFields = 11

// rowSize returns the number of bytes that appendRow appends at most.
func rowSize(e *domain.Event) int {
	const fixed = 2 + 4*copyFields + // the number of fields, and the length of each field
		3*len(domain.UUID{}) + 2*8 + 2 // the ids, the time and the page's id, and the version bytes of the JSON values
	return fixed + len(e.Type) + len(e.Name) + len(e.Properties) + len(e.DeviceType) + len(e.Browser) + len(e.Extra)
}

// appendRow appends a row to data: the number of fields, and for each field its length and its value.
func appendRow(data []byte, e *domain.Event, pageID int64) []byte {
	data = binary.BigEndian.AppendUint16(data, copyFields)
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
	data = binary.BigEndian.AppendUint32(data, uint32(len(value)+1)) //nolint:gosec // at most the size of a page
	data = append(data, jsonbVersion)
	return append(data, value...)
}

// jsonbVersion is the first byte of a jsonb in binary format.
const jsonbVersion = 1

// microsecondsSince2000 returns a time as PostgreSQL stores it.
func microsecondsSince2000(t time.Time) int64 {
	const year2000 = 946_684_800 // 2000-01-01 00:00:00 UTC, in seconds since 1970
	return t.UnixMicro() - year2000*1_000_000
}

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
// After an error the transaction is over. These errors ask for another way to store the batch:
//   - errIDStored: an id is stored already, which COPY cannot skip, or a trigger has skipped a row
//   - errCopyUnsupported: the table has row-level security, or events is not a table
//   - kind Unstorable: PostgreSQL refuses a value
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
	if copied := tag.RowsAffected(); copied != int64(len(rows)) {
		return fmt.Errorf("%w: a trigger has skipped some of %d rows, %d are left", errIDStored, len(rows), copied)
	}
	return nil
}

// classifyCopy classifies an error of COPY, see copyRows. It looks at the SQLSTATE only and not at the names of the table and of its
// key, because these differ in a partitioned table, for example.
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

// A copyReader is an io.Reader of rows in the binary format of COPY (PostgreSQL manual, COPY, "Binary Format"). Each Read encodes as
// many rows as its buffer can hold.
type copyReader struct {
	mutex  sync.Mutex // locked by Read and close, which two goroutines may call at the same time
	closed bool

	batch *batchWriter
	rows  []row  // the rows that are not encoded yet
	rest  []byte // bytes that are encoded but did not fit into the buffer of the last Read
	ended bool   // the trailer is encoded
}

// newCopyReader returns a reader of the rows. The caller must close it.
func newCopyReader(w *batchWriter, rows []row) *copyReader {
	return &copyReader{batch: w, rows: rows, rest: []byte(copyHeader)}
}

// close makes all further calls of Read fail. After a lost connection, a goroutine of pgconn may still call Read when CopyFrom has
// returned. But then the caller uses the memory of the rows again.
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

// encode encodes the rows that fit into p behind its first used bytes, and the trailer after the last row. It returns the number of
// bytes in p that are used then. If a row does not fit into an empty p, encode fills p and keeps the end of the row in rest.
func (r *copyReader) encode(p []byte, used int) (int, error) {
	data := p[:used:len(p)]
	for ; len(r.rows) > 0; r.rows = r.rows[1:] {
		event := &r.batch.event(r.rows[0]).Event
		pageID := r.batch.pageIDs[r.rows[0].page]
		if len(data)+rowSize(event) <= len(p) {
			data = appendRow(data, event, pageID)
			continue
		}
		if len(data) > 0 {
			return len(data), nil // the next Read encodes the row
		}
		encoded := appendRow(nil, event, pageID)
		fitting := copy(p, encoded)
		r.rest, r.rows = encoded[fitting:], r.rows[1:]
		return fitting, nil
	}
	if r.ended {
		return len(data), io.EOF
	}
	r.ended = true
	fitting := copy(p[len(data):], copyTrailer)
	r.rest = []byte(copyTrailer[fitting:])
	return len(data) + fitting, nil
}

const (
	// copyHeader begins the data of COPY: a signature, no flags, and a header extension of length 0.
	copyHeader = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"
	// copyTrailer ends the data: a row with -1 fields.
	copyTrailer = "\xff\xff"
	// copyFields is the number of fields in a row, one for each column.
	copyFields = 11
)

// rowSize returns the number of bytes that appendRow appends at most.
func rowSize(e *domain.Event) int {
	const (
		lengths  = 2 + 4*copyFields       // the number of fields, and the length of each field
		ids      = 3 * len(domain.UUID{}) // of the event, its session and its user
		numbers  = 2 * 8                  // the time and the page's id
		versions = 2                      // the version bytes of the JSON values
		fixed    = lengths + ids + numbers + versions
	)
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

// appendJSON appends a field of type jsonb: its length, a version byte and the JSON text. For nil it appends NULL.
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

package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestStatementSize tests that a page of many bytes is sent in several statements, because pgx encodes a statement as a whole.
// An ordinary page is sent in one.
func TestStatementSize(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		events, bytes int // in the page, and of each event's properties
		statements    int
	}{
		{"none", 0, 0, 0},
		{"an ordinary page", 5000, 200, 1},
		{"a page of the largest size", 5000, 3000, 4},
		{"events too large to share a statement", 3, 3 << 20, 3},
		{"an event larger than a statement", 1, 9 << 20, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var events []domain.DecodedEvent
			var rejects []uniqueReject
			var ids []domain.EventID
			for i := range tt.events {
				text := []byte(`"` + strings.Repeat("x", tt.bytes-2) + `"`)
				id := domaintest.EventID(uint64(i))
				ids = append(ids, id)
				events = append(events, domain.DecodedEvent{Event: domain.Event{ID: id, Properties: text}})
				rejects = append(rejects, uniqueReject{
					Reject: domain.Reject{Record: domain.Record{Payload: text}, Why: domain.Rejection{ID: id}},
				})
			}
			inserted, compared, parked := &sentStatements{}, &sentStatements{}, &sentStatements{}
			w := writer{q: dbsqlc.New(inserted), progress: func() {}}
			if n, _, err := w.insertEvents(t.Context(), events, nil); err != nil || n != int64(tt.events) {
				t.Errorf("got %d inserted, %v, want %d", n, err, tt.events)
			}
			if _, err := findMismatches(t.Context(), dbsqlc.New(compared), events); err != nil {
				t.Error(err)
			}
			w.q = dbsqlc.New(parked)
			if err := w.parkUnique(t.Context(), rejects, &parkResult{}); err != nil {
				t.Error(err)
			}
			for what, sent := range map[string]*sentStatements{"inserted": inserted, "compared": compared, "parked": parked} {
				if len(sent.bytes) != tt.statements || !slices.Equal(sent.ids, ids) {
					t.Errorf("%s: got %d events in %d statements, want %d in %d", what, len(sent.ids), len(sent.bytes), tt.events, tt.statements)
				}
				for _, bytes := range sent.bytes {
					if bytes > max(maxStatementBytes, tt.bytes) {
						t.Errorf("%s: got a statement of %d bytes, want at most %d", what, bytes, max(maxStatementBytes, tt.bytes))
					}
				}
			}
		})
	}
}

// sentStatements is a dbsqlc.DBTX that records the statements and answers each without rows.
type sentStatements struct {
	ids   []domain.EventID
	bytes []int // of each statement
}

// record adds a statement and returns its number of events.
func (s *sentStatements) record(args []any) (events int) {
	bytes := 0
	for _, arg := range args {
		switch arg := arg.(type) {
		case []domain.UUID:
			if events == 0 {
				s.ids = append(s.ids, arg...)
				events = len(arg)
			}
		case []json.RawMessage:
			for _, value := range arg {
				bytes += len(value)
			}
		case [][]byte:
			for _, value := range arg {
				bytes += len(value)
			}
		}
	}
	s.bytes = append(s.bytes, bytes)
	return events
}

// Exec implements dbsqlc.DBTX. It answers that each event was inserted.
func (s *sentStatements) Exec(_ context.Context, _ string, args ...any) (pgconn.CommandTag, error) {
	return pgconn.NewCommandTag(fmt.Sprintf("INSERT 0 %d", s.record(args))), nil
}

// Query implements dbsqlc.DBTX.
func (s *sentStatements) Query(_ context.Context, _ string, args ...any) (pgx.Rows, error) {
	s.record(args)
	return noRows{}, nil
}

// QueryRow implements dbsqlc.DBTX.
func (s *sentStatements) QueryRow(context.Context, string, ...any) pgx.Row { return noRows{} }

// noRows is an answer without rows.
type noRows struct{ pgx.Rows }

// Next implements pgx.Rows.
func (noRows) Next() bool { return false }

// Close implements pgx.Rows.
func (noRows) Close() {}

// Err implements pgx.Rows.
func (noRows) Err() error { return nil }

// Scan implements pgx.Row.
func (noRows) Scan(...any) error { return pgx.ErrNoRows }

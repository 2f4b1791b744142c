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

// TestStatementSize checks that an ordinary page is sent in one statement and a page of many bytes in several. The size of a
// statement is limited because pgx encodes it as a whole in memory.
func TestStatementSize(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name           string
		events         int // the number of events in the page
		bytes          int // the size of each event's properties
		wantStatements int
	}{
		{name: "an empty page"},
		{name: "an ordinary page", events: 5000, bytes: 200, wantStatements: 1},
		{name: "a page of 15 MB", events: 5000, bytes: 3000, wantStatements: 4}, // 15 MB are 3.6 times maxStatementBytes
		{name: "two events exceed a statement", events: 3, bytes: 3 << 20, wantStatements: 3},
		{name: "an event exceeds a statement", events: 1, bytes: 9 << 20, wantStatements: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var events []domain.DecodedEvent
			var rejects []uniqueReject
			var ids []domain.EventID
			for i := range tt.events {
				text := []byte(`"` + strings.Repeat("x", tt.bytes-len(`""`)) + `"`)
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
				t.Errorf("got %d events inserted, %v, want %d", n, err, tt.events)
			}
			if _, err := findMismatches(t.Context(), dbsqlc.New(compared), events); err != nil {
				t.Error(err)
			}
			w.q = dbsqlc.New(parked)
			if err := w.parkUnique(t.Context(), rejects, &parkResult{}); err != nil {
				t.Error(err)
			}
			maxBytes := max(maxStatementBytes, tt.bytes) // a larger event is alone in its statement
			for what, sent := range map[string]*sentStatements{"insert": inserted, "compare": compared, "park": parked} {
				if len(sent.bytes) != tt.wantStatements {
					t.Errorf("%s: got %d statements, want %d", what, len(sent.bytes), tt.wantStatements)
				}
				if !slices.Equal(sent.ids, ids) {
					t.Errorf("%s: got %d event ids, want the %d ids of the page in their order", what, len(sent.ids), len(ids))
				}
				for _, bytes := range sent.bytes {
					if bytes > maxBytes {
						t.Errorf("%s: got a statement of %d bytes, want at most %d", what, bytes, maxBytes)
					}
				}
			}
		})
	}
}

// sentStatements is a dbsqlc.DBTX that records the arguments of statements and sends nothing. Each query returns no rows.
type sentStatements struct {
	ids   []domain.EventID // the event ids of all statements
	bytes []int            // the size of the JSON values and payloads of each statement
}

// record records the arguments of a statement and returns the number of event ids in them.
func (s *sentStatements) record(args []any) (events int) {
	bytes := 0
	for _, arg := range args {
		switch arg := arg.(type) {
		case []domain.UUID:
			if events == 0 { // the first UUIDs are the event ids, the next ones are session ids and user ids
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

// Exec implements dbsqlc.DBTX. Its result says that each event was inserted.
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

// noRows is the result of a query, without rows.
type noRows struct{ pgx.Rows }

// Next implements pgx.Rows.
func (noRows) Next() bool { return false }

// Close implements pgx.Rows.
func (noRows) Close() {}

// Err implements pgx.Rows.
func (noRows) Err() error { return nil }

// Scan implements pgx.Row.
func (noRows) Scan(...any) error { return pgx.ErrNoRows }

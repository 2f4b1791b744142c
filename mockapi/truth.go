package mockapi

import (
	"crypto/sha256"
	"encoding/json"
	"iter"
	"time"
)

// A Truth contains the expected result for every record, which is the JSON of an event in a response. The results depend on
// the seed and the drifts only, not on the responses. They are computed from the same plain events as the responses, but
// without the code that encodes responses. A Truth is safe for concurrent use.
//
// The results are those of one pass from the head. If the collection grows, a pass can begin between a duplicate and its
// newer neighbour. Such a pass reads only one of the two. [Truth.At] returns the truth for the size at which a pass began.
type Truth struct{ snapshot snapshot }

// Truth returns the expected results for the events that exist at the moment of the call.
func (s *Server) Truth() Truth {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Truth{snapshot{dataset: s.data.withSize(s.size), driftPlan: s.plan.drifts}}
}

// At returns the truth for a collection of another size, smaller or larger. It limits size to the range of Config.Events.
func (t Truth) At(size int) Truth {
	t.snapshot.dataset = t.snapshot.withSize(min(max(size, 0), maxEvents))
	return t
}

// Len returns the number of records.
func (t Truth) Len() int { return t.snapshot.n }

// Row returns the expected result for the record at index i. It returns false if i is outside [0, Len). Index 0 is the
// newest record.
func (t Truth) Row(i int) (Row, bool) {
	if i < 0 || i >= t.snapshot.n {
		return Row{}, false
	}
	return t.row(i), true
}

// Rows returns an iterator over the rows with index in [from, to), in the order of the API. Indices outside [0, Len) are
// skipped.
func (t Truth) Rows(from, to int) iter.Seq2[int, Row] {
	return func(yield func(int, Row) bool) {
		for i := max(from, 0); i < min(to, t.snapshot.n); i++ {
			if !yield(i, t.row(i)) {
				return
			}
		}
	}
}

// row returns the row for index i, which must be in [0, Len).
func (t Truth) row(i int) Row {
	changed := t.snapshot.changedRecord(i)
	if changed == nil {
		var e event
		t.snapshot.read(i, &e)
		return newRow(i, &e)
	}
	row := newRow(i, &changed.event)
	if changed.editRow != nil {
		changed.editRow(&row, &changed.event, changed.variant)
	}
	if changed.outcome == Parked || changed.outcome == Duplicate {
		row = Row{Index: i} // the record does not become a row of the table
	}
	row.Outcome = changed.outcome
	row.Reason = changed.reason
	row.Drift = changed.kind
	row.Payload = changed.payload
	return row
}

// newRow returns the row for an event that no drift changes.
func newRow(i int, e *event) Row {
	return Row{
		Index:      i,
		Outcome:    Stored,
		ID:         e.id.String(),
		SessionID:  e.sessionID.String(),
		UserID:     e.userID.String(),
		Type:       e.eventType,
		Name:       string(e.name[:]),
		Properties: e.properties,
		OccurredAt: time.UnixMilli(e.timeMS).UTC(),
		DeviceType: e.device,
		Browser:    e.browser,
	}
}

// A Row is the expected result for one record. If Outcome is Parked or Duplicate, the columns from ID on are empty.
type Row struct {
	// Index is the index of the record, 0 for the newest.
	Index int
	// Outcome says what a client must do with the record.
	Outcome Outcome
	// Drift is the kind of drift, "" for none.
	Drift DriftKind
	// Reason is the reason why a record is Parked. It is empty for other outcomes.
	Reason string
	// Payload contains the exact bytes of a record that a drift changed. It is nil for other records, because their bytes
	// depend on their index in the page.
	Payload []byte

	ID         string
	SessionID  string
	UserID     string
	Type       string
	Name       string
	Properties json.RawMessage // a JSON object, byte for byte as in the response
	OccurredAt time.Time       // in UTC, in whole microseconds
	DeviceType string
	Browser    string
	Extra      json.RawMessage // the unexpected fields as an object; nil if there are none, which means SQL's NULL
}

// MarshalJSON encodes the row with the column names of the table. For a record that is Parked or a Duplicate it leaves out
// the columns.
func (r Row) MarshalJSON() ([]byte, error) { return json.Marshal(r.jsonValue()) }

// A storedRow is the JSON of a Row with Outcome Stored or Drifted. Its members have the names of the table's columns.
type storedRow struct {
	Index          int             `json:"index"`
	Outcome        Outcome         `json:"outcome"`
	ID             string          `json:"id"`
	SessionID      string          `json:"session_id"`
	UserID         string          `json:"user_id"`
	Type           string          `json:"type"`
	Name           string          `json:"name"`
	Properties     json.RawMessage `json:"properties"`
	OccurredAt     string          `json:"occurred_at"` // RFC 3339 with three decimals, or six if three are too few
	DeviceType     string          `json:"device_type"`
	Browser        string          `json:"browser"`
	Extra          json.RawMessage `json:"extra"`
	*servedPayload                 // nil leaves out its members
}

// An unstoredRow is the JSON of a Row with Outcome Parked or Duplicate.
type unstoredRow struct {
	Index   int     `json:"index"`
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason,omitempty"`
	*servedPayload
}

// A servedPayload describes the exact bytes of a record that drifts.
type servedPayload struct {
	Drift   DriftKind `json:"drift"`
	SHA256  Digest    `json:"sha256"`
	Payload []byte    `json:"payload"` // base64 in the JSON
}

// jsonValue returns the value to encode for r.
func (r Row) jsonValue() any {
	var payload *servedPayload
	if r.Payload != nil {
		payload = &servedPayload{Drift: r.Drift, SHA256: sha256.Sum256(r.Payload), Payload: r.Payload}
	}
	if r.Outcome == Parked || r.Outcome == Duplicate {
		return unstoredRow{Index: r.Index, Outcome: r.Outcome, Reason: r.Reason, servedPayload: payload}
	}
	layout := "2006-01-02T15:04:05.000Z07:00"
	if isWholeMS := r.OccurredAt.Nanosecond()%1e6 == 0; !isWholeMS {
		layout = "2006-01-02T15:04:05.000000Z07:00"
	}
	return storedRow{
		Index:         r.Index,
		Outcome:       r.Outcome,
		ID:            r.ID,
		SessionID:     r.SessionID,
		UserID:        r.UserID,
		Type:          r.Type,
		Name:          r.Name,
		Properties:    r.Properties,
		OccurredAt:    r.OccurredAt.UTC().Format(layout),
		DeviceType:    r.DeviceType,
		Browser:       r.Browser,
		Extra:         r.Extra,
		servedPayload: payload,
	}
}

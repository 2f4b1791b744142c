package mockapi

import (
	"encoding/json"
	"iter"
	"time"
)

// A Truth is the expected result for every record. It depends on the seed and the drifts only, not on what was served. It
// is computed from the same plain events as the responses, but shares no code with what encodes them. It is safe for
// concurrent use.
//
// It is the truth of one pass from the head. While the collection grows, a pass that begins between a duplicate and its
// newer neighbour reads only one of them; At returns the truth for the size at which a pass began.
type Truth struct{ snapshot snapshot }

// Truth returns the expected result for the events that exist now.
func (s *Server) Truth() Truth {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Truth{snapshot{dataset: s.data.withSize(s.size), driftPlan: s.plan.drifts}}
}

// At returns the truth for a collection of another size, which is smaller or larger than the size now.
func (t Truth) At(size int) Truth {
	t.snapshot.dataset = t.snapshot.withSize(min(max(size, 0), maxEvents))
	return t
}

// Len returns the number of records.
func (t Truth) Len() int { return t.snapshot.n }

// Row returns the expected result for the record at index i, and false outside [0, Len). Index 0 is the newest record.
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

func (t Truth) row(i int) Row {
	d := t.snapshot.changedRecord(i)
	if d == nil {
		var e event
		t.snapshot.read(i, &e)
		return newRow(i, &e)
	}
	row := newRow(i, &d.event)
	if d.editRow != nil {
		d.editRow(&row, &d.event, d.variant)
	}
	if d.outcome == Parked || d.outcome == Duplicate {
		row = Row{Index: i}
	}
	row.Outcome, row.Reason, row.Drift, row.Payload = d.outcome, d.reason, d.kind, d.payload
	return row
}

// newRow returns the row for an event that does not drift.
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
		OccurredAt: time.UnixMilli(e.at).UTC(),
		DeviceType: e.device,
		Browser:    e.browser,
	}
}

// A Row is the expected result for one record. If Outcome is Parked or Duplicate, the columns from ID on are empty.
type Row struct {
	// Index is the index of the record, 0 for the newest.
	Index   int
	Outcome Outcome
	// Drift is the kind of drift, "" for none.
	Drift DriftKind
	// Reason is the reason of a Parked record.
	Reason string
	// Payload is the exact bytes of a record that drifts. It is nil for the others, because the bytes of those depend on
	// the index in the page.
	Payload []byte

	ID         string
	SessionID  string
	UserID     string
	Type       string
	Name       string
	Properties json.RawMessage // a JSON object, byte for byte as served
	OccurredAt time.Time       // in UTC, whole microseconds
	DeviceType string
	Browser    string
	Extra      json.RawMessage // the unexpected fields; nil, for SQL's NULL, if there are none
}

// MarshalJSON encodes the row with the column names of the table.
func (r Row) MarshalJSON() ([]byte, error) { return json.Marshal(r.jsonValue()) }

// A storedRow is the JSON of a Row with Outcome Stored or Drifted. Its members have the names of the table's columns.
type storedRow struct {
	Index      int             `json:"index"`
	Outcome    Outcome         `json:"outcome"`
	ID         string          `json:"id"`
	SessionID  string          `json:"session_id"`
	UserID     string          `json:"user_id"`
	Type       string          `json:"type"`
	Name       string          `json:"name"`
	Properties json.RawMessage `json:"properties"`
	OccurredAt string          `json:"occurred_at"` // RFC 3339 with three decimals, or six where they are needed
	DeviceType string          `json:"device_type"`
	Browser    string          `json:"browser"`
	Extra      json.RawMessage `json:"extra"`
	*servedPayload
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
	Payload []byte    `json:"payload"` // in base64
}

// jsonValue returns the value to encode for r.
func (r Row) jsonValue() any {
	var payload *servedPayload
	if r.Payload != nil {
		payload = &servedPayload{r.Drift, (&changedRecord{payload: r.Payload}).digest(), r.Payload}
	}
	if r.Outcome == Parked || r.Outcome == Duplicate {
		return unstoredRow{r.Index, r.Outcome, r.Reason, payload}
	}
	layout := "2006-01-02T15:04:05.000Z07:00"
	if r.OccurredAt.Nanosecond()%1e6 != 0 {
		layout = "2006-01-02T15:04:05.000000Z07:00"
	}
	return storedRow{
		r.Index, r.Outcome, r.ID, r.SessionID, r.UserID, r.Type, r.Name, r.Properties, r.OccurredAt.UTC().Format(layout),
		r.DeviceType, r.Browser, r.Extra, payload,
	}
}

package mockapi

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"iter"
	"time"
)

// A Truth is what must become of every record, from the seed and the drifts alone: what was served, and how often, does not
// enter. It shares the plain event with the API and none of the code that writes one. It is safe for concurrent use.
//
// It is that of one pass from the head. While the collection grows, a pass that begins between a twin and its newer
// neighbour meets only one of them; At gives the truth of the size that a pass began with.
type Truth struct{ view snapshot }

// Truth is what a database must hold in the end, of the events that there are now.
func (s *Server) Truth() Truth {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Truth{snapshot{dataset: s.data.withSize(s.size), plan: s.plan.drifts}}
}

// At is the truth of the collection when it had so many events, or will have.
func (t Truth) At(size int) Truth {
	t.view.dataset = t.view.withSize(min(max(size, 0), maxEvents))
	return t
}

// Len is the number of records.
func (t Truth) Len() int { return t.view.n }

// Row is the record at index i, 0 being the newest, and false outside [0, Len).
func (t Truth) Row(i int) (Row, bool) {
	if i < 0 || i >= t.view.n {
		return Row{}, false
	}
	return t.row(i), true
}

func (t Truth) row(i int) Row {
	d := t.view.changedRecord(i)
	if d == nil {
		var e event
		t.view.read(i, &e)
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

// rowOf is what an event says if nothing is wrong with it.
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

// Rows yields the rows at [from, to) in the order of the API, clipped to what there is.
func (t Truth) Rows(from, to int) iter.Seq2[int, Row] {
	return func(yield func(int, Row) bool) {
		for i := max(from, 0); i < min(to, t.view.n); i++ {
			if !yield(i, t.row(i)) {
				return
			}
		}
	}
}

// A Row is one record of the collection, and what must become of it. A Parked one, and a Duplicate, has no columns.
type Row struct {
	// Index is the record's place, 0 being the newest.
	Index   int
	Outcome Outcome
	// Drift is what is wrong with it, "" for nothing.
	Drift DriftKind
	// Reason is why it must be parked.
	Reason string
	// Payload is the record exactly as served, of one that drifts; others are served in two forms.
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
	Extra      json.RawMessage // nil is SQL's NULL: the record has no field that nobody expects
}

// columns is a Row that is stored, under the names of the table's columns.
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

// refused is a Row that is not stored.
type unstoredRow struct {
	Index   int     `json:"index"`
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason,omitempty"`
	*servedPayload
}

// served is what went over the wire for a Row that drifts.
type servedPayload struct {
	Drift   DriftKind `json:"drift"`
	SHA256  Digest    `json:"sha256"`
	Payload []byte    `json:"payload"` // in base64
}

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

// MarshalJSON names the columns as the table does.
func (r Row) MarshalJSON() ([]byte, error) { return json.Marshal(r.jsonValue()) }

// String is the canonical text of a uuid.
func (u uuid) String() string {
	digits := make([]byte, 0, 16)
	digits = binary.BigEndian.AppendUint64(digits, u.hi)
	digits = binary.BigEndian.AppendUint64(digits, u.lo)
	text := hex.EncodeToString(digits)
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

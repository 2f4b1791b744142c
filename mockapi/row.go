package mockapi

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"time"
)

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
type columns struct {
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
	*served
}

// refused is a Row that is not stored.
type refused struct {
	Index   int     `json:"index"`
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason,omitempty"`
	*served
}

// served is what went over the wire for a Row that drifts.
type served struct {
	Drift   DriftKind `json:"drift"`
	SHA256  Digest    `json:"sha256"`
	Payload []byte    `json:"payload"` // in base64
}

func (r Row) line() any {
	var wire *served
	if r.Payload != nil {
		wire = &served{r.Drift, (&drifted{payload: r.Payload}).sum(), r.Payload}
	}
	if r.Outcome == Parked || r.Outcome == Duplicate {
		return refused{r.Index, r.Outcome, r.Reason, wire}
	}
	layout := "2006-01-02T15:04:05.000Z07:00"
	if r.OccurredAt.Nanosecond()%1e6 != 0 {
		layout = "2006-01-02T15:04:05.000000Z07:00"
	}
	return columns{
		r.Index, r.Outcome, r.ID, r.SessionID, r.UserID, r.Type, r.Name, r.Properties, r.OccurredAt.UTC().Format(layout),
		r.DeviceType, r.Browser, r.Extra, wire,
	}
}

// MarshalJSON names the columns as the table does.
func (r Row) MarshalJSON() ([]byte, error) { return json.Marshal(r.line()) }

// String is the canonical text of a uuid.
func (u uuid) String() string {
	digits := make([]byte, 0, 16)
	digits = binary.BigEndian.AppendUint64(digits, u.hi)
	digits = binary.BigEndian.AppendUint64(digits, u.lo)
	text := hex.EncodeToString(digits)
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

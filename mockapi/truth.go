package mockapi

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"iter"
	"time"
)

// A Row is one event as a database must hold it.
type Row struct {
	ID         string
	SessionID  string
	UserID     string
	Type       string
	Name       string
	Properties json.RawMessage // a JSON object, byte for byte as served
	OccurredAt time.Time       // in UTC, whole milliseconds
	DeviceType string
	Browser    string
	Extra      json.RawMessage // nil is SQL's NULL: the recorded events have no field that nobody expects
}

// columns is a Row under the names of the table's columns.
type columns struct {
	ID         string          `json:"id"`
	SessionID  string          `json:"session_id"`
	UserID     string          `json:"user_id"`
	Type       string          `json:"type"`
	Name       string          `json:"name"`
	Properties json.RawMessage `json:"properties"`
	OccurredAt string          `json:"occurred_at"` // RFC 3339 with three decimals
	DeviceType string          `json:"device_type"`
	Browser    string          `json:"browser"`
	Extra      json.RawMessage `json:"extra"`
}

func (r Row) columns() columns {
	return columns{
		r.ID, r.SessionID, r.UserID, r.Type, r.Name, r.Properties,
		r.OccurredAt.UTC().Format("2006-01-02T15:04:05.000Z07:00"), r.DeviceType, r.Browser, r.Extra,
	}
}

// MarshalJSON names the columns as the table does, and gives the time in RFC 3339 with three decimals.
func (r Row) MarshalJSON() ([]byte, error) { return json.Marshal(r.columns()) }

// A Truth is the expected content of the table, from the seed alone: what was served, and how often, does not enter.
// It shares the plain event with the API and none of the code that writes one. It is safe for concurrent use.
type Truth struct{ data dataset }

// Len is the number of events, each of which has its own id.
func (t Truth) Len() int { return t.data.n }

// Row is the event at index i, 0 being the newest, and false outside [0, Len).
func (t Truth) Row(i int) (Row, bool) {
	if i < 0 || i >= t.data.n {
		return Row{}, false
	}
	return t.row(i), true
}

func (t Truth) row(i int) Row {
	var e event
	t.data.read(i, &e)
	return Row{
		ID:         e.id.String(),
		SessionID:  e.session.String(),
		UserID:     e.user.String(),
		Type:       e.kind,
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
		for i := max(from, 0); i < min(to, t.data.n); i++ {
			if !yield(i, t.row(i)) {
				return
			}
		}
	}
}

// String is the canonical text of a uuid.
func (u uuid) String() string {
	digits := make([]byte, 0, 16)
	digits = binary.BigEndian.AppendUint64(digits, u.hi)
	digits = binary.BigEndian.AppendUint64(digits, u.lo)
	text := hex.EncodeToString(digits)
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

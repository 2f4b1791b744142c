//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// An entry is one request as the mock's journal has it.
type entry struct {
	Seq         int    `json:"seq"`
	RequestID   string `json:"request_id"`
	Cursor      string `json:"cursor"`
	Status      int    `json:"status"`
	Fault       string `json:"fault"`
	RateLimited bool   `json:"rate_limited"`
	Sound       bool   `json:"sound"`
	Last        bool   `json:"last"` // it was sound and said to be the end
	Delivered   bool   `json:"delivered"`
	Drifted     []struct {
		SHA256 string `json:"sha256"`
	} `json:"drifted"`
}

// journal is the requests that were finished after one, oldest first.
func (m *mock) journal(after int) (entries []entry) {
	m.t.Helper()
	body := m.admin(m.t.Context(), fmt.Sprintf("/journal?after=%d", after))
	defer body.Close() //nolint:errcheck // it was only read
	for lines := json.NewDecoder(body); ; {
		var e entry
		err := lines.Decode(&e)
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			m.t.Fatal(err)
		}
		entries = append(entries, e)
	}
}

// lastPage is the request id of the page that was handed out last, "" if none of the last few answers was one.
func (m *mock) lastPage() (requestID string) {
	m.t.Helper()
	const few = 20
	for _, e := range m.journal(max(0, m.summary().LastSeq-few)) {
		if e.Sound && e.Delivered {
			requestID = e.RequestID
		}
	}
	return requestID
}

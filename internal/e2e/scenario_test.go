//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
)

// A scenario is what the mock plays; see `mockapi --help`.
type scenario struct {
	RateLimit  int      `json:"rate_limit"`
	RateWindow string   `json:"rate_window"`
	CursorTTL  string   `json:"cursor_ttl"`
	Latency    string   `json:"latency"`
	Faults     []string `json:"faults"`
	Drifts     []string `json:"drifts"`
}

// withLatency is the scenario with slower answers.
func (s scenario) withLatency(latency string) scenario {
	s.Latency = latency
	return s
}

// withFaults is the scenario with these faults in place of its own.
func (s scenario) withFaults(faults ...string) scenario {
	s.Faults = faults
	return s
}

// withDrift is the scenario with one thing more that is wrong with records.
func (s scenario) withDrift(drift string) scenario {
	s.Drifts = append(slices.Clone(s.Drifts), drift)
	return s
}

// play changes what the mock does to requests that arrive from now on.
func (m *mock) play(s scenario) {
	m.t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		m.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(m.t.Context(), http.MethodPost, m.adminURL("/scenario"), bytes.NewReader(text))
	if err != nil {
		m.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		m.t.Fatalf("play %s: %s", text, answer)
	}
}

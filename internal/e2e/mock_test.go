//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// testTimeout bounds what a test waits for. It is long, since it says nothing about pawl's speed.
const testTimeout = 2 * time.Minute

// A mock is a running mock API. The tests read its journal and its truth, and change its scenario, at its admin endpoint.
type mock struct {
	t       *testing.T
	baseURL string
}

// A journalSummary is the part of the mock's journal summary that the tests check.
type journalSummary struct {
	Requests    int `json:"requests"`
	InFlight    int `json:"in_flight"`
	Pages       int `json:"pages"`
	RateLimited int `json:"rate_limited"`
	TooEarly    int `json:"too_early"`
	Closed      int `json:"window_closed"`
	LastSeq     int `json:"last_seq"`
	Dropped     int `json:"dropped"`
	Followed    int `json:"followed"`
}

var servingAt = regexp.MustCompile(`at (http://\S+)`)

// startMock starts the mock API on a free port. It serves until the test ends.
func startMock(t *testing.T, args ...string) *mock {
	t.Helper()
	return startMockAs(t, "mockapi", args...)
}

// startMockAs starts the mock API from the given program below bin.
func startMockAs(t *testing.T, program string, args ...string) *mock {
	t.Helper()
	p := start(t, nil, program, append([]string{"--listen", "127.0.0.1:0"}, args...)...)
	var m *mock
	eventually(t, "the mock serves", func() bool {
		found := servingAt.FindStringSubmatch(p.stderr.String())
		if found != nil {
			m = &mock{t: t, baseURL: found[1]}
		}
		return m != nil
	})
	return m
}

// environment returns the variables that pawl needs to read from the mock into a database.
func (m *mock) environment(databaseURL string) []string {
	return []string{"API_BASE_URL=" + m.baseURL, "API_KEY=demo-key", "DATABASE_URL=" + databaseURL}
}

func (m *mock) adminURL(path string) string {
	return strings.TrimSuffix(m.baseURL, "/api/v1") + "/_mock" + path
}

func (m *mock) admin(ctx context.Context, path string) io.ReadCloser {
	m.t.Helper()
	url := m.adminURL(path)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		m.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		m.t.Fatalf("GET %s: %s", url, resp.Status)
	}
	return resp.Body
}

func (m *mock) summary() (s journalSummary) {
	m.t.Helper()
	body := m.admin(m.t.Context(), "/journal/summary")
	defer body.Close() //nolint:errcheck // it was only read
	if err := json.NewDecoder(body).Decode(&s); err != nil {
		m.t.Fatal(err)
	}
	return s
}

// An entry is one request in the mock's journal.
type entry struct {
	Seq         int    `json:"seq"`
	RequestID   string `json:"request_id"`
	Cursor      string `json:"cursor"`
	Status      int    `json:"status"`
	Fault       string `json:"fault"`
	RateLimited bool   `json:"rate_limited"`
	Sound       bool   `json:"sound"` // the answer was a page that a client may accept
	Last        bool   `json:"last"`  // it was sound and the last page of the stream
	Delivered   bool   `json:"delivered"`
	Drifted     []struct {
		SHA256 string `json:"sha256"`
	} `json:"drifted"`
}

// journal returns the finished requests with a number greater than after, oldest first.
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

// lastPageID returns the request id of the page that the mock sent last, or "" if none of the last few answers was a page.
func (m *mock) lastPageID() (requestID string) {
	m.t.Helper()
	const few = 20
	for _, e := range m.journal(max(0, m.summary().LastSeq-few)) {
		if e.Sound && e.Delivered {
			requestID = e.RequestID
		}
	}
	return requestID
}

// A scenario says how the mock answers; see `mockapi --help`.
type scenario struct {
	RateLimit  int      `json:"rate_limit"`
	RateWindow string   `json:"rate_window"`
	CursorTTL  string   `json:"cursor_ttl"`
	Latency    string   `json:"latency"`
	Faults     []string `json:"faults"`
	Drifts     []string `json:"drifts"`
}

// withLatency returns the scenario with another latency.
func (s scenario) withLatency(latency string) scenario {
	s.Latency = latency
	return s
}

// withFaults returns the scenario with these faults instead of its own.
func (s scenario) withFaults(faults ...string) scenario {
	s.Faults = faults
	return s
}

// withDrift returns the scenario with one more drift.
func (s scenario) withDrift(drift string) scenario {
	s.Drifts = append(slices.Clone(s.Drifts), drift)
	return s
}

// play changes how the mock answers requests that arrive from now on.
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

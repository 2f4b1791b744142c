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

// testTimeout is the maximum time that a test waits for something. It is long, because the tests must not depend on the speed of
// the machine.
const testTimeout = 2 * time.Minute

// A mock is a running mock API. The tests use its admin endpoint to read its journal and its truth, and to change its scenario.
type mock struct {
	t       *testing.T
	baseURL string
}

// A journalSummary is the part of the mock's journal summary that the tests check.
type journalSummary struct {
	Requests    int `json:"requests"`      // finished requests
	InFlight    int `json:"in_flight"`     // requests that have arrived and are not finished
	Pages       int `json:"pages"`         // valid pages that were sent completely
	RateLimited int `json:"rate_limited"`  // requests that the rate limit refused
	TooEarly    int `json:"too_early"`     // requests that came earlier than a 429 allowed
	OverQuota   int `json:"window_closed"` // requests that came although the window's quota was used up
	LastNumber  int `json:"last_seq"`      // the journal's number of the last finished request
	Dropped     int `json:"dropped"`       // requests that the journal has not stored
	Followed    int `json:"followed"`      // requests that followed a redirect
}

// mockURL finds the URL in the line that the mock logs when it is ready.
var mockURL = regexp.MustCompile(`at (http://\S+)`)

// startMock starts the mock API on a free port. It serves until the test ends.
func startMock(t *testing.T, args ...string) *mock {
	t.Helper()
	return startMockProgram(t, "mockapi", args...)
}

// startMockProgram does what startMock does. program is the path of the program, relative to bin.
func startMockProgram(t *testing.T, program string, args ...string) *mock {
	t.Helper()
	p := start(t, nil, program, append([]string{"--listen", "127.0.0.1:0"}, args...)...) // port 0: a free port
	var m *mock
	eventually(t, "the mock serves", func() bool {
		found := mockURL.FindStringSubmatch(p.stderr.String())
		if found != nil {
			m = &mock{t: t, baseURL: found[1]}
		}
		return m != nil
	})
	return m
}

// environment returns the environment variables that make pawl read from the mock into the database.
func (m *mock) environment(databaseURL string) []string {
	return []string{"API_BASE_URL=" + m.baseURL, "API_KEY=demo-key", "DATABASE_URL=" + databaseURL}
}

func (m *mock) adminURL(path string) string {
	return strings.TrimSuffix(m.baseURL, "/api/v1") + "/_mock" + path
}

// admin sends a GET request to the admin endpoint and returns the body of the answer. The caller must close it.
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
		m.t.Fatalf("GET %s: got status %s, want 200", url, resp.Status)
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
	Number      int       `json:"seq"` // the number of the request in the journal; not the seq of a page
	At          time.Time `json:"at"`  // when the request arrived
	RequestID   string    `json:"request_id"`
	Cursor      string    `json:"cursor"`
	From        int       `json:"from"`     // the offset of the page's first record, or -1
	Returned    int       `json:"returned"` // the number of records in the answer
	Status      int       `json:"status"`
	Fault       string    `json:"fault"`
	RateLimited bool      `json:"rate_limited"`
	IsPage      bool      `json:"sound"`     // the answer was a valid page
	IsLastPage  bool      `json:"last"`      // the answer was a valid page, and the last page of the stream
	Delivered   bool      `json:"delivered"` // the whole answer was handed to the network
	Drifted     []struct {
		SHA256 string `json:"sha256"`
	} `json:"drifted"` // the records of the answer that had drift
}

// journal returns the finished requests whose number is greater than after, in the order of their numbers.
func (m *mock) journal(after int) (entries []entry) {
	m.t.Helper()
	body := m.admin(m.t.Context(), fmt.Sprintf("/journal?after=%d", after))
	defer body.Close()             //nolint:errcheck // it was only read
	lines := json.NewDecoder(body) // one JSON object in each line
	for {
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

// lastPageID returns the id of the request that the mock last answered with a valid page. It returns "" if none of the last few
// answers was a valid page.
func (m *mock) lastPageID() (requestID string) {
	m.t.Helper()
	const maxEntries = 20 // the last few answers
	for _, e := range m.journal(max(0, m.summary().LastNumber-maxEntries)) {
		if e.IsPage && e.Delivered {
			requestID = e.RequestID
		}
	}
	return requestID
}

// A scenario determines how the mock answers. `mockapi --help` explains its parts.
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

// withFaults returns the scenario with these faults instead of its own, such as "500:1" (every request) or "500@7" (request 7).
func (s scenario) withFaults(faults ...string) scenario {
	s.Faults = faults
	return s
}

// withConstantFault returns the scenario with one fault, which hits every request.
func (s scenario) withConstantFault(kind string) scenario { return s.withFaults(kind + ":1") }

// withDrift returns the scenario with one more drift, such as "missing-id:0.01" (one record in a hundred has no id).
func (s scenario) withDrift(drift string) scenario {
	s.Drifts = append(slices.Clone(s.Drifts), drift)
	return s
}

// play replaces the mock's scenario. Requests that have arrived before are answered by the old scenario.
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
		m.t.Fatalf("play %s: got status %s, want 200: %s", text, resp.Status, answer)
	}
}

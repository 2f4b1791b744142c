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

// patience bounds what a test waits for; it is no claim about speed.
const testTimeout = 2 * time.Minute

// A mock is a running mock API, looked at through its admin endpoint.
type mock struct {
	t       *testing.T
	baseURL string
}

// A journalSummary is the part of the mock's journal that the tests hold pawl against.
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

// startMock serves until the test ends.
func startMock(t *testing.T, args ...string) *mock {
	t.Helper()
	return startMockAs(t, "mockapi", args...)
}

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

// environment is what pawl needs to read from the mock into a database.
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

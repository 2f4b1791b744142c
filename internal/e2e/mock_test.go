//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// patience bounds what a test waits for; it is no claim about speed.
const patience = 2 * time.Minute

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

// eventually polls for a state of the world; it fails the test if it does not come about.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	within(t, patience, what, is)
}

// within is eventually with a patience of its own.
func within(t *testing.T, patience time.Duration, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		}
	}
}

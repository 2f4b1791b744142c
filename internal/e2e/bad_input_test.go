//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

// goodEvent is an event as the API sends it, but for its id.
const goodEvent = `{"id":"00000000-0000-4000-8000-%012d","sessionId":"10000000-0000-4000-8000-000000000001",` +
	`"userId":"20000000-0000-4000-8000-000000000001","type":"click","name":"event_abc123","properties":{"n":1},` +
	`"timestamp":1769541553629,"session":{"id":"10000000-0000-4000-8000-000000000001","deviceType":"mobile","browser":"Safari"}}`

// pageOf is a page of a stream of total events.
func pageOf(total int, next string, events ...string) string {
	more, cursor := "false", "null"
	if next != "" {
		more, cursor = "true", `"`+next+`"`
	}
	return fmt.Sprintf(`{"data":[%s],"pagination":{"limit":2,"hasMore":%s,"nextCursor":%s,"cursorExpiresIn":null},`+
		`"meta":{"total":%d,"returned":%d,"requestId":"req-1"}}`, strings.Join(events, ","), more, cursor, total, len(events))
}

// serve answers each request with the next body, and the last one for ever. environment returns what pawl needs to read that
// into a database.
func serve(
	t *testing.T, contentType string, bodies ...string,
) (environment func(databaseURL string) []string, requests *atomic.Int64) {
	t.Helper()
	requests = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := min(int(requests.Add(1)), len(bodies))
		w.Header().Set("Content-Type", contentType)
		fmt.Fprint(w, bodies[n-1])
	}))
	t.Cleanup(server.Close)
	return func(databaseURL string) []string {
		return []string{"API_BASE_URL=" + server.URL, "API_KEY=k", "DATABASE_URL=" + databaseURL}
	}, requests
}

func TestAnswersThatAreNoPage(t *testing.T) {
	t.Parallel()
	one := fmt.Sprintf(goodEvent, 1)
	whole := pageOf(1, "", one)
	tests := []struct {
		name        string
		contentType string
		bodies      []string
		code        int
		events      int
		says        []string
	}{
		{"a bad answer is fetched again", "application/json", []string{`null`, whole}, 0, 1, nil},
		{"not JSON", "application/json", []string{`oops`}, 4, 0, []string{"gave up at try 2"}},
		{"HTML", "text/html; charset=utf-8", []string{"<html>welcome</html>"}, 4, 0, []string{"HTML"}},
		{"null", "application/json", []string{`null`}, 4, 0, nil},
		{"cut off", "application/json", []string{whole[:len(whole)-9]}, 4, 0, nil},
		{"no pagination", "application/json", []string{`{"data":[` + one + `],"meta":{"total":1,"returned":1}}`}, 4, 0, nil},
		{"data is null", "application/json", []string{strings.Replace(pageOf(0, ""), "[]", "null", 1)}, 4, 0, nil},
		{"an end before the total", "application/json", []string{pageOf(3, "", one)}, 4, 0, []string{"1 of 3"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			environment, requests := serve(t, tt.contentType, tt.bodies...)
			b := newBench(t, environment)
			p := b.pawl(tt.code, "run", "--tries", "2")
			for _, want := range tt.says {
				if !strings.Contains(p.stderr.String(), want) {
					t.Errorf("it does not say %q: %s", want, p.stderr.String())
				}
			}
			if tt.events == 0 && requests.Load() != 2 { // two tries
				t.Errorf("%d requests", requests.Load())
			}
			if n := b.db.count("SELECT count(*) FROM events"); n != tt.events {
				t.Errorf("%d events stored, want %d", n, tt.events)
			}
			b.db.addsUp()
		})
	}
}

// TestABadRecordIsParked: the run goes on, and the record is kept with its bytes and a reason.
func TestABadRecordIsParked(t *testing.T) {
	t.Parallel()
	one, two, three := fmt.Sprintf(goodEvent, 1), fmt.Sprintf(goodEvent, 2), fmt.Sprintf(goodEvent, 3)
	tests := []struct{ name, from, to, why string }{
		{"without a field", `"name":"event_abc123",`, "", "missing field in name"},
		{"with a bad timestamp", `1769541553629`, `"yesterday"`, "bad timestamp in timestamp"},
		{"with a NUL", `{"n":1}`, `{"n":"\u0000"}`, "NUL character in properties"},
		{"with a value that only the database refuses", `{"n":1}`, `{"n":1e400000}`, "unstorable in "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bad := strings.Replace(three, tt.from, tt.to, 1)
			environment, _ := serve(t, "application/json", pageOf(3, "a", one), pageOf(3, "", bad, two))
			b := newBench(t, environment)
			if got := b.pawl(0, "run", "--json").summary(); got.Inserted != 2 || got.Parked != 1 {
				t.Errorf("summary %+v", got)
			}
			var why, payload string
			if err := b.db.conn.QueryRow(b.ctx, "SELECT reason || ' in ' || field, convert_from(payload, 'UTF8') FROM dead_letters").Scan(&why, &payload); err != nil {
				t.Fatal(err)
			}
			if why != tt.why || payload != bad {
				t.Errorf("parked for %q: %s", why, payload)
			}
			b.db.addsUp()
		})
	}
}

func TestWrongSurroundings(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	databaseURL := pgtest.Database(t)
	m := startMock(t, "--events", "10", "--api-key", "the-right-one")
	tests := []struct {
		name string
		env  []string
		code int
		says []string
	}{
		{
			"the wrong key",
			[]string{"API_BASE_URL=" + m.baseURL, "API_KEY=" + secret, "DATABASE_URL=" + databaseURL},
			2,
			[]string{"API_KEY"},
		},
		{
			"no API at the address",
			[]string{"API_BASE_URL=http://127.0.0.1:1/api/v1", "API_KEY=" + secret, "DATABASE_URL=" + databaseURL},
			3,
			[]string{"127.0.0.1:1", "try 2"},
		},
		{
			"no events at the address",
			[]string{"API_BASE_URL=" + m.baseURL + "/elsewhere", "API_KEY=the-right-one", "DATABASE_URL=" + databaseURL},
			2,
			[]string{"404", "API_BASE_URL"},
		},
		{
			"no database at the address",
			[]string{"API_BASE_URL=" + m.baseURL, "API_KEY=" + secret, "DATABASE_URL=postgres://u:" + secret + "@127.0.0.1:1/db"},
			3,
			[]string{"127.0.0.1:1", "try 2", "DATABASE_URL"},
		},
		{
			"no database of the name",
			[]string{"API_BASE_URL=" + m.baseURL, "API_KEY=" + secret, "DATABASE_URL=" + strings.Replace(databaseURL, "/pawl_test", "/no_such", 1)},
			2,
			[]string{"no_such", "DATABASE_URL"},
		},
		{
			"a base URL that is none",
			[]string{"API_BASE_URL=" + strings.TrimPrefix(m.baseURL, "http://"), "API_KEY=" + secret, "DATABASE_URL=" + databaseURL},
			2,
			[]string{"API_BASE_URL"},
		},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			p := start(t, tt.env, "pawl", "run", "--tries", "2", "--stream", fmt.Sprintf("s%d", i))
			if code := p.wait(ctx); code != tt.code {
				t.Errorf("exit %d, want %d: %s", code, tt.code, p.stderr.String())
			}
			for _, want := range tt.says {
				if !strings.Contains(p.stderr.String(), want) {
					t.Errorf("it does not say %q: %s", want, p.stderr.String())
				}
			}
			if strings.Contains(p.stderr.String()+p.stdout.String(), secret) {
				t.Errorf("it shows a secret: %s", p.stderr.String())
			}
		})
	}
}

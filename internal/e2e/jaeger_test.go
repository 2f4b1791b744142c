//go:build e2e

package e2e

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
)

// checkTraces checks that Jaeger has exactly one trace for each page of the ledger, with the same counts of records,
// requests and their results.
func checkTraces(t *testing.T, db *database, j *jaeger) {
	t.Helper()
	rows, err := db.conn.Query(db.ctx, "SELECT trace_id, seq, received, requests, retries, rate_limited FROM pages")
	if err != nil {
		t.Fatal(err)
	}
	ledger := map[string]ledgerRow{}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ledgerRow])
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range list {
		ledger[row.TraceID] = row
	}
	eventually(t, "Jaeger has as many traces as the ledger has pages", func() bool { return len(j.pageTraces()) >= len(list) })
	traces := j.pageTraces()
	if len(traces) != len(list) {
		t.Errorf("got %d traces, want %d, one for each page", len(traces), len(list))
	}
	with503 := 0
	for _, trace := range traces {
		row, found := ledger[trace.ID]
		if !found {
			t.Errorf("trace %s is not in the ledger, which has %v", trace.ID, slices.Collect(maps.Keys(ledger)))
			continue
		}
		page, statuses := trace.spansNamed("pawl page")[0], trace.statusCounts()
		requests := len(trace.spansNamed("GET"))
		traced := ledgerRow{
			TraceID: trace.ID, Seq: page.number("pawl.seq"), Received: page.number("pawl.received"),
			Requests: requests, Retries: requests - statuses[429] - 1, RateLimited: statuses[429],
		}
		if traced != row || statuses[200] != 1 || len(trace.spansNamed("commit")) != 1 {
			t.Errorf("trace: got %+v with answers %v, want %+v with one commit and one answer 200", traced, statuses, row)
		}
		if statuses[503] > 0 {
			with503++
		}
	}
	if with503 != 2 { // requests 25 and 75 to 76 in docker-compose.yml
		t.Errorf("got %d pages with a 503, want 2", with503)
	}
}

// A ledgerRow is the part of a page's ledger row that its trace holds too.
type ledgerRow struct {
	TraceID                                       string
	Seq, Received, Requests, Retries, RateLimited int
}

// A jaeger reads traces from a Jaeger server.
type jaeger struct {
	t       *testing.T
	address string
}

// A jaegerTrace is a trace in an answer of Jaeger's query API.
type jaegerTrace struct {
	ID    string       `json:"traceID"`
	Spans []jaegerSpan `json:"spans"`
}

type jaegerSpan struct {
	Name string `json:"operationName"`
	Tags []struct {
		Key   string `json:"key"`
		Value any    `json:"value"`
	} `json:"tags"`
}

// pageTraces returns the traces of pages.
func (j *jaeger) pageTraces() []jaegerTrace {
	j.t.Helper()
	query := url.Values{"service": {"pawl"}, "operation": {"pawl page"}, "limit": {"1000"}}
	u := url.URL{Scheme: "http", Host: j.address, Path: "/api/traces", RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(j.t.Context(), http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		j.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		j.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	var found struct {
		Data []jaegerTrace `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&found); err != nil {
		j.t.Fatalf("GET %s: %s: %v", u.String(), resp.Status, err)
	}
	return found.Data
}

// spansNamed returns the trace's spans with this name.
func (t jaegerTrace) spansNamed(name string) (spans []jaegerSpan) {
	for _, s := range t.Spans {
		if s.Name == name {
			spans = append(spans, s)
		}
	}
	return spans
}

// number returns the value of a numeric tag, 0 if there is none.
func (s jaegerSpan) number(key string) int {
	for _, tag := range s.Tags {
		if n, ok := tag.Value.(float64); ok && tag.Key == key {
			return int(n)
		}
	}
	return 0
}

// statusCounts counts the trace's requests by the status of the answer.
func (t jaegerTrace) statusCounts() map[int]int {
	counts := map[int]int{}
	for _, s := range t.spansNamed("GET") {
		counts[s.number("http.response.status_code")]++
	}
	return counts
}

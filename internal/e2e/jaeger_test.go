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

// wantTraces holds Jaeger to the ledger: the same traces, each with as many requests, and what came of them.
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
		t.Errorf("%d traces of %d pages", len(traces), len(list))
	}
	with503 := 0
	for _, trace := range traces {
		row, found := ledger[trace.ID]
		if !found {
			t.Errorf("the ledger does not know the trace %s; it knows %v", trace.ID, slices.Collect(maps.Keys(ledger)))
			continue
		}
		page, answered := trace.spansNamed("pawl page")[0], trace.statusCounts()
		requests := len(trace.spansNamed("GET"))
		told := ledgerRow{
			TraceID: trace.ID, Seq: page.number("pawl.seq"), Received: page.number("pawl.received"),
			Requests: requests, Retries: requests - answered[429] - 1, RateLimited: answered[429],
		}
		if told != row || answered[200] != 1 || len(trace.spansNamed("commit")) != 1 {
			t.Errorf("the trace tells %+v with answers %v, the ledger %+v", told, answered, row)
		}
		if answered[503] > 0 {
			with503++
		}
	}
	if with503 != 2 { // the requests 25 and 75 to 76 of docker-compose.yml
		t.Errorf("%d pages met a 503, want 2", with503)
	}
}

// A ledgerRow is what the ledger says of a page's requests.
type ledgerRow struct {
	TraceID                                       string
	Seq, Received, Requests, Retries, RateLimited int
}

// A jaeger is asked what it has been told.
type jaeger struct {
	t       *testing.T
	address string
}

// A jaegerTrace is as Jaeger's query API gives it.
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

// pages are the traces of pages.
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

// named are the spans of a name.
func (t jaegerTrace) spansNamed(name string) (spans []jaegerSpan) {
	for _, s := range t.Spans {
		if s.Name == name {
			spans = append(spans, s)
		}
	}
	return spans
}

// number is a numeric tag, 0 if there is none.
func (s jaegerSpan) number(key string) int {
	for _, tag := range s.Tags {
		if n, ok := tag.Value.(float64); ok && tag.Key == key {
			return int(n)
		}
	}
	return 0
}

// answered counts the requests in a trace by the status of the answer.
func (t jaegerTrace) statusCounts() map[int]int {
	counts := map[int]int{}
	for _, s := range t.spansNamed("GET") {
		counts[s.number("http.response.status_code")]++
	}
	return counts
}

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

// checkTraces checks that Jaeger has exactly one trace for each page of the ledger. Each trace must have the same counts of
// records, requests, retries and rate limits as the page's ledger row.
func checkTraces(t *testing.T, db *database, j *jaeger) {
	t.Helper()
	rows, err := db.conn.Query(db.ctx, "SELECT trace_id, seq, received, requests, retries, rate_limited FROM pages")
	if err != nil {
		t.Fatal(err)
	}
	ledger := map[string]ledgerRow{} // by trace id
	pages, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ledgerRow])
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range pages {
		ledger[row.TraceID] = row
	}
	// Jaeger stores the traces some time after pawl has sent them.
	eventually(t, "Jaeger has as many traces as the ledger has pages", func() bool { return len(j.pageTraces()) >= len(pages) })
	traces := j.pageTraces()
	if len(traces) != len(pages) {
		t.Errorf("traces of pages: got %d, want %d", len(traces), len(pages))
	}
	const wantWith503 = 2 // docker-compose.yml has a 503 at request 25, and at requests 75 and 76 for one page
	with503, committed := 0, 0
	for _, trace := range traces {
		row, ok := ledger[trace.ID]
		if !ok {
			t.Errorf("trace %s is not in the ledger, which has %v", trace.ID, slices.Collect(maps.Keys(ledger)))
			continue
		}
		page, statuses := trace.spansNamed(pageSpan)[0], trace.statusCounts()
		requests, rateLimited := len(trace.spansNamed("GET")), statuses[http.StatusTooManyRequests]
		traced := ledgerRow{
			TraceID: trace.ID, Seq: page.number("pawl.seq"), Received: page.number("pawl.received"),
			Requests: requests, RateLimited: rateLimited,
			Retries: requests - rateLimited - 1, // 1: the request that got the page
		}
		commits := trace.spansNamed("commit") // pages that were committed together have one commit, in the trace of the first page
		for _, commit := range commits {
			committed += commit.number("pawl.pages")
		}
		isStoredOnce := statuses[http.StatusOK] == 1 && len(commits) <= 1
		if traced != row || !isStoredOnce {
			t.Errorf("trace: got %+v with answers by status %v and %d commits, want %+v with one commit at most and one answer 200",
				traced, statuses, len(commits), row)
		}
		if statuses[http.StatusServiceUnavailable] > 0 {
			with503++
		}
	}
	if with503 != wantWith503 {
		t.Errorf("pages with a 503: got %d, want %d", with503, wantWith503)
	}
	if committed != len(pages) {
		t.Errorf("pages in all commits together: got %d, want %d, each once", committed, len(pages))
	}
}

// A ledgerRow contains the columns of a page's ledger row that its trace contains, too.
type ledgerRow struct {
	TraceID                                       string
	Seq, Received, Requests, Retries, RateLimited int
}

// pageSpan is the name of the first span of a page's trace.
const pageSpan = "pawl page"

// A jaeger reads traces from a Jaeger server.
type jaeger struct {
	t       *testing.T
	address string // host and port of the query API
}

// A jaegerTrace is a trace in an answer of Jaeger's query API.
type jaegerTrace struct {
	ID    string       `json:"traceID"`
	Spans []jaegerSpan `json:"spans"`
}

// A jaegerSpan is one span of a jaegerTrace.
type jaegerSpan struct {
	Name string `json:"operationName"`
	Tags []struct {
		Key   string `json:"key"`
		Value any    `json:"value"`
	} `json:"tags"`
}

// pageTraces returns the traces of all pages that Jaeger has stored.
func (j *jaeger) pageTraces() []jaegerTrace {
	j.t.Helper()
	query := url.Values{"service": {"pawl"}, "operation": {pageSpan}, "limit": {"1000"}} // more than the pages of a run
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
	var answer struct {
		Data []jaegerTrace `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		j.t.Fatalf("GET %s: %s: %v", u.String(), resp.Status, err)
	}
	return answer.Data
}

// spansNamed returns the trace's spans with this name.
func (trace jaegerTrace) spansNamed(name string) (spans []jaegerSpan) {
	for _, s := range trace.Spans {
		if s.Name == name {
			spans = append(spans, s)
		}
	}
	return spans
}

// number returns the value of the numeric tag key, or 0 if there is no such tag.
func (s jaegerSpan) number(key string) int {
	for _, tag := range s.Tags {
		if n, ok := tag.Value.(float64); ok && tag.Key == key {
			return int(n)
		}
	}
	return 0
}

// statusCounts returns the number of the trace's requests for each status of an answer.
func (trace jaegerTrace) statusCounts() map[int]int {
	counts := map[int]int{}
	for _, s := range trace.spansNamed("GET") {
		counts[s.number("http.response.status_code")]++
	}
	return counts
}

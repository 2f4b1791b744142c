//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
)

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
func (j *jaeger) pages() []jaegerTrace {
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
func (t jaegerTrace) named(name string) (spans []jaegerSpan) {
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
func (t jaegerTrace) answered() map[int]int {
	counts := map[int]int{}
	for _, s := range t.named("GET") {
		counts[s.number("http.response.status_code")]++
	}
	return counts
}

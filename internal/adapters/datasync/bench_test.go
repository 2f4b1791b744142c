package datasync

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/mockapi"
)

// benchPageSize is the number of records in the page of each benchmark: the most that the API returns.
const benchPageSize = 5000

// mockAnswer returns an answer of the mock API: a page of benchPageSize records with the form and the size of the recorded ones.
func mockAnswer(b *testing.B) answer {
	b.Helper()
	cfg := mockapi.DefaultConfig()
	cfg.RateLimit = 0 // no rate limit
	api, err := mockapi.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	target := fmt.Sprintf("%s/events?limit=%d", mockapi.BasePath, benchPageSize)
	request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, target, http.NoBody)
	request.Header.Set(DataSync().KeyHeader, cfg.APIKey)
	response := httptest.NewRecorder()
	api.ServeHTTP(response, request)
	if response.Code != http.StatusOK {
		b.Fatalf("got status %d from the mock, want 200", response.Code)
	}
	return answer{status: response.Code, header: response.Header(), body: response.Body.Bytes(), receivedAt: time.Now()}
}

// mockPage returns the page that is in the answer of mockAnswer.
func mockPage(b *testing.B) domain.Page {
	b.Helper()
	page, err := DataSync().Envelope.parse(mockAnswer(b), "", benchPageSize)
	if err != nil || len(page.Records) != benchPageSize {
		b.Fatalf("got %d records, error %v, want %d", len(page.Records), err, benchPageSize)
	}
	return page
}

// reportPerEvent reports the time for one event of a page.
func reportPerEvent(b *testing.B) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchPageSize, "ns/event")
}

// BenchmarkSplit finds the records in a page, and the members around them.
func BenchmarkSplit(b *testing.B) {
	body := mockAnswer(b).body
	names := DataSync().Envelope
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := names.split(body, benchPageSize); err != nil {
			b.Fatal(err)
		}
	}
	reportPerEvent(b)
}

// BenchmarkParsePage splits a page and reads the members around the records.
func BenchmarkParsePage(b *testing.B) {
	a := mockAnswer(b)
	names := DataSync().Envelope
	b.SetBytes(int64(len(a.body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := names.parse(a, "", benchPageSize); err != nil {
			b.Fatal(err)
		}
	}
	reportPerEvent(b)
}

// BenchmarkFetchPage fetches a page from a transport in the same process: it reads the body and parses it.
func BenchmarkFetchPage(b *testing.B) {
	a := mockAnswer(b)
	client, err := New(Config{
		BaseURL: "http://api.test", Profile: DataSync(), Timeout: time.Minute, MaxPageBytes: int64(len(a.body)),
		Transport: cannedTransport{a},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(a.body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.FetchPage(b.Context(), domain.PageRequest{Limit: benchPageSize}); err != nil {
			b.Fatal(err)
		}
	}
	reportPerEvent(b)
}

// A cannedTransport gives the same answer to each request.
type cannedTransport struct{ answer answer }

func (t cannedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: t.answer.status, Header: t.answer.header, Request: r,
		Body: io.NopCloser(bytes.NewReader(t.answer.body)), ContentLength: int64(len(t.answer.body)),
	}, nil
}

// BenchmarkDecode decodes the records of a page one by one.
func BenchmarkDecode(b *testing.B) {
	page := mockPage(b)
	decoder := NewDecoder(DataSync())
	b.SetBytes(recordBytes(page))
	b.ReportAllocs()
	for b.Loop() {
		for _, record := range page.Records {
			if _, _, err := decoder.Decode(record); err != nil {
				b.Fatal(err)
			}
		}
	}
	reportPerEvent(b)
}

// BenchmarkDecodePage decodes a page with FetchedPage.Decode, as the runner does.
func BenchmarkDecodePage(b *testing.B) {
	page := domain.FetchedPage{Page: mockPage(b)}
	decoder := NewDecoder(DataSync())
	b.SetBytes(recordBytes(page.Page))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := page.Decode(b.Context(), decoder, nil); err != nil {
			b.Fatal(err)
		}
	}
	reportPerEvent(b)
}

// BenchmarkIDsHash computes the hash of a page's ids, which the store writes into the ledger.
func BenchmarkIDsHash(b *testing.B) {
	page, err := domain.FetchedPage{Page: mockPage(b)}.Decode(b.Context(), NewDecoder(DataSync()), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		page.IDsHash()
	}
	reportPerEvent(b)
}

// recordBytes returns the size of a page's records without the members around them.
func recordBytes(page domain.Page) int64 {
	size := 0
	for _, record := range page.Records {
		size += len(record.Payload)
	}
	return int64(size)
}

// BenchmarkGovernor allows one request and observes its answer.
func BenchmarkGovernor(b *testing.B) {
	names := DataSync().Headers
	a := answer{status: http.StatusOK, receivedAt: time.Now(), header: http.Header{}}
	a.header.Set(names.Limit, "10")
	a.header.Set(names.Remaining, "9")
	a.header.Set(names.Reset, "60")
	var g governor
	var d dialect
	b.ReportAllocs()
	for b.Loop() {
		if hold := g.take(a.receivedAt); hold != nil {
			b.Fatal(hold)
		}
		g.tell(outcome{answered: true, status: a.status, receivedAt: a.receivedAt, headers: d.read(names, a)})
	}
}

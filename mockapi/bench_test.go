package mockapi_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/pawldata/pawl/mockapi"
)

// discard is a client that reads as fast as it can.
type discardWriter struct{ header http.Header }

func (d discardWriter) Header() http.Header          { return d.header }
func (discardWriter) Write(body []byte) (int, error) { return len(body), nil }
func (discardWriter) WriteHeader(int)                {}
func (discardWriter) Flush()                         {}

func BenchmarkPageOf5000(b *testing.B) {
	cfg := mockapi.DefaultConfig()
	cfg.Events, cfg.RateLimit = 10_000_000, 0
	srv, err := mockapi.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, eventsPath(5000, ""), http.NoBody)
	req.Header.Set("X-API-Key", "demo-key")
	rec := httptest.NewRecorder()
	srv.ServeHTTP(rec, req)
	b.SetBytes(int64(rec.Body.Len()))
	b.ReportAllocs()
	for b.Loop() {
		srv.ServeHTTP(discardWriter{http.Header{}}, req)
	}
}

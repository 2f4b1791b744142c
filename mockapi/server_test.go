package mockapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

// TestPathsAndKeys checks the responses to unknown paths, wrong keys and wrong methods. None of these requests is counted.
func TestPathsAndKeys(t *testing.T) {
	srv := newServer(t)
	events := mockapi.BasePath + "/events"
	for _, path := range []string{mockapi.BasePath + "/nothing", events + "/", mockapi.BasePath + "/api/v1/events"} {
		wantError(t, get(t, srv, path), http.StatusNotFound, "ENDPOINT_NOT_FOUND")
	}
	for _, path := range []string{"/", "/events", "/api/v2/events", "/api"} {
		rec := get(t, srv, path)
		wantEqual(t, path+": status", rec.Code, http.StatusOK)
		wantEqual(t, path+": Content-Type", rec.Header().Get("Content-Type"), htmlType)
		if !strings.Contains(rec.Body.String(), "<html") {
			t.Errorf("%s: got body %s, want HTML", path, rec.Body)
		}
	}
	wantError(t, call(t, srv, http.MethodGet, events, noKey), http.StatusUnauthorized, "UNAUTHORIZED")
	wantError(t, call(t, srv, http.MethodGet, events, "wrong key"), http.StatusForbidden, "FORBIDDEN")
	wantError(t, call(t, srv, http.MethodPost, events, testKey), http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
	wantSummary(t, srv, mockapi.Summary{TurnedAway: 3})
	wantEqual(t, "number of entries", len(allEntries(srv)), 0)
}

// TestEndpointList checks that the base path lists the endpoints. The request needs no key.
func TestEndpointList(t *testing.T) {
	rec := call(t, newServer(t), http.MethodGet, mockapi.BasePath, noKey)
	got := decode[struct{ Endpoints []string }](t, rec).Endpoints
	want := []string{"GET /api/v1/events", "GET /api/v1/events/{id}", "GET /api/v1/sessions", "GET /api/v1/metrics"}
	wantEqual(t, "status", rec.Code, http.StatusOK)
	if !slices.Equal(got, want) {
		t.Errorf("got endpoints %v, want %v", got, want)
	}
}

// TestKeepAlive checks that several requests use the same connection.
func TestKeepAlive(t *testing.T) {
	web := httptest.NewServer(newServer(t))
	defer web.Close()
	var addrs []string // the client address of each request, including its port
	web.Config.Handler = recordClientAddrs(&addrs, web.Config.Handler)
	for range 3 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+firstEventPath, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-API-Key", testKey)
		resp, err := web.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		// A client uses a connection again only after it has read the whole body.
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	wantEqual(t, "number of requests", len(addrs), 3)
	if different := slices.Compact(addrs); len(different) != 1 { // two connections would have different ports
		t.Errorf("got requests from the client addresses %v, want only one", different)
	}
}

// recordClientAddrs appends the client address of each request to addrs.
func recordClientAddrs(addrs *[]string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*addrs = append(*addrs, r.RemoteAddr)
		next.ServeHTTP(w, r)
	})
}

// TestLatency checks that a response takes the time of the setting Latency, and that the mock stops waiting as soon as the
// client disconnects.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const latency = 5 * time.Second
		srv := newServer(t, withLatency(latency))
		start := time.Now()
		get(t, srv, firstEventPath)
		wantEqual(t, "time until the response", time.Since(start), latency)

		const clientTimeout = time.Second
		start = time.Now()
		callAborted(t, clientTimeout, srv, firstEventPath)
		wantEqual(t, "time until the handler ends", time.Since(start), clientTimeout)
		e := entryOf(t, srv, 2)
		wantEqual(t, "Status", e.Status, 0)
		wantEqual(t, "Delivered", e.Delivered, false)
		wantEqual(t, "From", e.From, -1)
	})
}

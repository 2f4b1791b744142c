package mockapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

// "GET {base} lists the endpoints"; "404 ENDPOINT_NOT_FOUND"; "An unknown path outside the API answers 200 with an HTML page".
func TestPathsAndKeys(t *testing.T) {
	srv := newServer(t, nil)
	events := mockapi.BasePath + "/events"
	if rec := call(t, srv, "GET", mockapi.BasePath, ""); rec.Code != 200 || !strings.Contains(rec.Body.String(), `"GET `+events+`"`) {
		t.Errorf("endpoints: %d %s", rec.Code, rec.Body)
	}
	for _, path := range []string{mockapi.BasePath + "/nothing", events + "/", mockapi.BasePath + "/api/v1/events"} {
		wantError(t, get(t, srv, path), http.StatusNotFound, "ENDPOINT_NOT_FOUND")
	}
	for _, path := range []string{"/", "/events", "/api/v2/events", "/api"} {
		rec := get(t, srv, path)
		if rec.Code != 200 || !strings.HasPrefix(rec.Header().Get("Content-Type"), "text/html") || !strings.Contains(rec.Body.String(), "<html") {
			t.Errorf("%s: got %d %s", path, rec.Code, rec.Body)
		}
	}
	wantError(t, call(t, srv, "GET", events, ""), http.StatusUnauthorized, "UNAUTHORIZED")
	wantError(t, call(t, srv, "GET", events, "other"), http.StatusForbidden, "FORBIDDEN")
	wantError(t, call(t, srv, "POST", events, "demo-key"), http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
	if s := srv.Journal().Summary(); s.TurnedAway != 3 || s.Requests != 0 || len(srv.Journal().After(0)) != 0 {
		t.Errorf("none of these is a numbered request: %+v", s)
	}
}

func TestEndpointList(t *testing.T) {
	rec := call(t, newServer(t, nil), http.MethodGet, mockapi.BasePath, "")
	got := decode[struct{ Endpoints []string }](t, rec).Endpoints
	want := []string{"GET /api/v1/events", "GET /api/v1/events/{id}", "GET /api/v1/sessions", "GET /api/v1/metrics"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestKeepAlive(t *testing.T) {
	web := httptest.NewServer(newServer(t, nil))
	defer web.Close()
	var ports []string
	web.Config.Handler = recordRemoteAddrs(&ports, web.Config.Handler)
	for range 3 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+eventsPath(1, ""), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-API-Key", "demo-key")
		resp, err := web.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var page strings.Builder
		if err := resp.Write(&page); err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if len(ports) != 3 || ports[0] != ports[1] || ports[1] != ports[2] {
		t.Errorf("three requests from %v", ports)
	}
}

// recordRemoteAddrs appends the client address of each request to addrs.
func recordRemoteAddrs(from *[]string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*from = append(*from, r.RemoteAddr)
		next.ServeHTTP(w, r)
	})
}

// "About 0.5 to 5 s per page": the wait ends as soon as the client disconnects.
func TestLatencyClientDisconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, func(c *mockapi.Config) { c.Latency = 5 * time.Second })
		start := time.Now()
		get(t, srv, eventsPath(1, ""))
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("an answer took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		req := httptest.NewRequestWithContext(ctx, http.MethodGet, eventsPath(1, ""), http.NoBody)
		req.Header.Set("X-API-Key", "demo-key")
		func() {
			defer func() {
				if aborted, _ := recover().(error); !errors.Is(aborted, http.ErrAbortHandler) {
					t.Errorf("handler panicked with %v, want http.ErrAbortHandler", aborted)
				}
			}()
			srv.ServeHTTP(httptest.NewRecorder(), req)
		}()
		if took := time.Since(start); took != time.Second {
			t.Errorf("the handler ended %v after the request, want 1s", took)
		}
		entries := srv.Journal().After(0)
		if gone := entries[1]; gone.Status != 0 || gone.Delivered || gone.From != -1 {
			t.Errorf("got entry %+v", gone)
		}
	})
}

package mockapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

func withRateLimit(c *mockapi.Config) { c.RateLimit, c.RateWindow = 10, time.Minute }

func wantRateHeaders(t *testing.T, h http.Header, limit, remaining, reset string) {
	t.Helper()
	got := [3]string{h.Get("X-RateLimit-Limit"), h.Get("X-RateLimit-Remaining"), h.Get("X-RateLimit-Reset")}
	if want := [3]string{limit, remaining, reset}; got != want {
		t.Errorf("limit, remaining, reset = %v, want %v", got, want)
	}
}

// "10 requests per fixed 60 s window opened by its first request"; "`-Reset` (whole seconds left in the window, 60 on a
// window's first answer, so it seems rounded up; not an epoch)"; "on 429 `Retry-After` in seconds, equal to Reset".
func TestRateLimitWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, withRateLimit)
		time.Sleep(17 * time.Second) // a window on the clock's minute would end early
		path := eventsPath(1, "")
		wantRateHeaders(t, get(t, srv, path).Header(), "10", "9", "60")
		time.Sleep(31_500 * time.Millisecond)
		for range 8 {
			get(t, srv, path)
		}
		wantRateHeaders(t, get(t, srv, path).Header(), "10", "0", "29")

		time.Sleep(500 * time.Millisecond)
		rec := get(t, srv, path)
		wantRateHeaders(t, rec.Header(), "10", "0", "28")
		if rec.Code != http.StatusTooManyRequests || rec.Header().Get("Retry-After") != "28" {
			t.Errorf("%d, Retry-After %q", rec.Code, rec.Header().Get("Retry-After"))
		}
		const body = `{"code":"RATE_LIMIT_EXCEEDED","error":"Too Many Requests","rateLimit":{"limit":10,"remaining":0,"reset":28}}`
		if rec.Body.String() != body {
			t.Errorf("body %s", rec.Body)
		}

		time.Sleep(28*time.Second - time.Millisecond)
		if rec := get(t, srv, path); rec.Code != http.StatusTooManyRequests || rec.Header().Get("Retry-After") != "1" {
			t.Errorf("1 ms before the end: %d, Retry-After %q", rec.Code, rec.Header().Get("Retry-After"))
		}
		time.Sleep(time.Millisecond)
		wantRateHeaders(t, get(t, srv, path).Header(), "10", "9", "60")
	})
}

// "counted on arrival": an answer that takes longer than the window belongs to the window in which it was asked for.
// "HEAD … cost a token", and so does an answer that is an error.
func TestRateLimitCountsArrivals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, func(c *mockapi.Config) { withRateLimit(c); c.Latency = 2 * time.Minute })
		var slow sync.WaitGroup
		remaining := make([]string, 10)
		for i := range 10 {
			slow.Go(func() { remaining[i] = get(t, srv, eventsPath(1, "")).Header().Get("X-RateLimit-Remaining") })
			synctest.Wait()
		}
		slow.Wait()
		if got := strings.Join(remaining, " "); got != "9 8 7 6 5 4 3 2 1 0" {
			t.Errorf("remaining: %s", got)
		}
	})
	srv := newServer(t, withRateLimit)
	call(t, srv, http.MethodHead, eventsPath(1, ""), "demo-key")
	get(t, srv, eventsPath(1, "nonsense"))
	wantRateHeaders(t, get(t, srv, eventsPath(1, "")).Header(), "10", "7", "60")
	if body := call(t, srv, http.MethodHead, eventsPath(1, ""), "demo-key").Body.Len(); body != 0 {
		t.Errorf("HEAD got %d bytes", body)
	}
}

func TestRateLimitOff(t *testing.T) {
	srv := newServer(t, nil)
	for range 50 {
		if rec := get(t, srv, eventsPath(1, "")); rec.Code != http.StatusOK {
			t.Fatalf("status %d", rec.Code)
		} else {
			wantRateHeaders(t, rec.Header(), "", "", "")
		}
	}
}

// "429 storms when parallel workers wake together", "clamped Retry-After retries too early": the journal tells.
func TestJournalTooEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, func(c *mockapi.Config) { c.RateLimit, c.RateWindow = 1, 30*time.Second })
		path := eventsPath(1, "")
		get(t, srv, path) // in the limit
		get(t, srv, path) // cannot have known
		time.Sleep(29 * time.Second)
		get(t, srv, path) // has been told to wait longer
		time.Sleep(time.Second)
		get(t, srv, path) // has waited
		type mark struct{ limited, closed, early bool }
		want := []mark{{}, {true, true, false}, {true, true, true}, {}}
		for i, e := range srv.Journal().After(0) {
			if got := (mark{e.RateLimited, e.WindowClosed, e.TooEarly}); got != want[i] {
				t.Errorf("request %d: %+v, want %+v", e.N, got, want[i])
			}
		}
		if s := srv.Journal().Summary(); s.RateLimited != 2 || s.WindowClosed != 2 || s.TooEarly != 1 || s.Pages != 2 {
			t.Errorf("summary %+v", s)
		}
	})
}

// "About 0.5 to 5 s per page": and not a moment longer once the client has gone.
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
					t.Errorf("net/http is told %v, not to abort: it would answer an empty 200", aborted)
				}
			}()
			srv.ServeHTTP(httptest.NewRecorder(), req)
		}()
		if took := time.Since(start); took != time.Second {
			t.Errorf("a client that had gone was kept for %v", took)
		}
		entries := srv.Journal().After(0)
		if gone := entries[1]; gone.Status != 0 || gone.Delivered || gone.From != -1 {
			t.Errorf("entry %+v", gone)
		}
	})
}

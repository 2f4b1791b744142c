package mockapi_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

// "10 requests per fixed 60 s window opened by its first request"; "`-Reset` (whole seconds left in the window, 60 on a
// window's first answer, so it seems rounded up; not an epoch)"; "on 429 `Retry-After` in seconds, equal to Reset".
func TestRateLimitWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, withRateLimit)
		time.Sleep(17 * time.Second) // a window that is aligned to the minute would end early
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
			t.Errorf("got body %s", rec.Body)
		}

		time.Sleep(28*time.Second - time.Millisecond)
		if rec := get(t, srv, path); rec.Code != http.StatusTooManyRequests || rec.Header().Get("Retry-After") != "1" {
			t.Errorf("1 ms before the end: %d, Retry-After %q", rec.Code, rec.Header().Get("Retry-After"))
		}
		time.Sleep(time.Millisecond)
		wantRateHeaders(t, get(t, srv, path).Header(), "10", "9", "60")
	})
}

// "counted on arrival": a request counts in the window of its arrival, also if the response takes longer than the window.
// "HEAD … cost a token", and an error does too.
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
			t.Errorf("got remaining %s", got)
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

// "sessions (40 per window) and metrics (30, always empty) have the same envelope and their own buckets"
func TestRateLimitBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, withRateLimit)
		for path, limit := range map[string]int{"/events": 10, "/sessions": 40, "/metrics": 30} {
			for n := range limit {
				wantRateHeaders(t, get(t, srv, mockapi.BasePath+path).Header(), strconv.Itoa(limit), strconv.Itoa(limit-n-1), "60")
			}
			rec := get(t, srv, mockapi.BasePath+path)
			if rec.Code != 429 || decode[struct{ RateLimit struct{ Limit int } }](t, rec).RateLimit.Limit != limit {
				t.Errorf("%s: got %d %s", path, rec.Code, rec.Body)
			}
		}
		for _, e := range srv.Journal().After(0) {
			if e.TooEarly {
				t.Errorf("got too early because of another bucket: %+v", e)
			}
		}
		time.Sleep(time.Minute)
		metrics := decode[wirePage](t, get(t, srv, mockapi.BasePath+"/metrics"))
		if len(metrics.Data) != 0 || metrics.Meta.Total != 0 || *metrics.Pagination.HasMore || metrics.Pagination.NextCursor != nil {
			t.Errorf("got metrics %+v", metrics)
		}
	})
}

func TestRateLimitOff(t *testing.T) {
	srv := newServer(t, nil)
	for range 50 {
		if rec := get(t, srv, eventsPath(1, "")); rec.Code != http.StatusOK {
			t.Fatalf("got status %d", rec.Code)
		} else {
			wantRateHeaders(t, rec.Header(), "", "", "")
		}
	}
}

func TestRateLimitHeadersOnErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, func(c *mockapi.Config) {
			withRateLimit(c)
			c.Faults = []mockapi.Fault{{Kind: "500", At: []int{1}}, {Kind: "null", At: []int{2}}, {Kind: "401", At: []int{3}}}
		})
		for _, remaining := range []string{"9", "8", "7", "6"} {
			wantRateHeaders(t, get(t, srv, eventsPath(1, "nonsense")).Header(), "10", remaining, "60")
		}
		time.Sleep(time.Minute)
		wantRateHeaders(t, call(t, srv, http.MethodHead, eventsPath(1, ""), "demo-key").Header(), "10", "9", "60")
	})
}

// "`-Reset` (whole seconds left in the window …; not an epoch)", and the forms that other services use.
func TestRateLimitHeaderForms(t *testing.T) {
	const left = 58500 * time.Millisecond // after 1.5 s of 60
	for form, want := range map[mockapi.RateHeaders]func(end time.Time) map[string]string{
		mockapi.RateSeconds: func(time.Time) map[string]string { return rateHeaders("8", "59") },
		mockapi.RateEpoch:   func(end time.Time) map[string]string { return rateHeaders("8", strconv.FormatInt(end.Unix()+1, 10)) },
		mockapi.RateEpochMillis: func(end time.Time) map[string]string {
			return rateHeaders("8", strconv.FormatInt(end.UnixMilli()+1, 10))
		},
		mockapi.RateDate: func(end time.Time) map[string]string {
			return rateHeaders("8", end.Add(time.Second).UTC().Format(http.TimeFormat))
		},
		mockapi.RateAbsent: func(time.Time) map[string]string { return nil },
		mockapi.RateLying:  func(time.Time) map[string]string { return rateHeaders("10", "1") },
		mockapi.RateIETF: func(time.Time) map[string]string {
			return map[string]string{"RateLimit": `"default";r=8;t=59`, "RateLimit-Policy": `"default";q=10;w=60`}
		},
	} {
		t.Run(string(form), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newServer(t, func(c *mockapi.Config) { withRateLimit(c); c.RateHeaders = form })
				// The window ends between two seconds and between two milliseconds: the reset time must be rounded up.
				time.Sleep(200*time.Millisecond + 300*time.Microsecond)
				get(t, srv, eventsPath(1, ""))
				time.Sleep(time.Minute - left)
				h := get(t, srv, eventsPath(1, "")).Header()
				wanted := want(time.Now().Add(left))
				for _, name := range []string{"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit", "RateLimit-Policy"} {
					if got := h.Get(name); got != wanted[name] {
						t.Errorf("%s: %q, want %q", name, got, wanted[name])
					}
				}
			})
		})
	}
}

func rateHeaders(remaining, reset string) map[string]string {
	return map[string]string{"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": remaining, "X-RateLimit-Reset": reset}
}

// "on 429 `Retry-After` in seconds, equal to Reset", and other forms. A request is too early only if the 429 had a true time.
func TestRetryAfterForms(t *testing.T) {
	for _, tc := range []struct {
		form    mockapi.RetryAfter
		headers mockapi.RateHeaders
		want    func(end time.Time) string
		early   bool // the next request is too early
	}{
		{mockapi.RetrySeconds, mockapi.RateSeconds, func(time.Time) string { return "30" }, true},
		{mockapi.RetrySeconds, mockapi.RateAbsent, func(time.Time) string { return "30" }, true},
		{mockapi.RetryDate, mockapi.RateAbsent, func(end time.Time) string { return end.UTC().Format(http.TimeFormat) }, true},
		{mockapi.RetryZero, mockapi.RateSeconds, func(time.Time) string { return "0" }, true},
		{mockapi.RetryZero, mockapi.RateLying, func(time.Time) string { return "0" }, false},
		{mockapi.RetryAbsent, mockapi.RateIETF, func(time.Time) string { return "" }, true},
		{mockapi.RetryAbsent, mockapi.RateAbsent, func(time.Time) string { return "" }, false},
	} {
		t.Run(fmt.Sprint(tc.form, " with ", tc.headers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newServer(t, func(c *mockapi.Config) {
					c.RateLimit, c.RateWindow, c.RetryAfter, c.RateHeaders = 1, 30*time.Second, tc.form, tc.headers
				})
				get(t, srv, eventsPath(1, ""))
				rec := get(t, srv, eventsPath(1, ""))
				if got, want := rec.Header().Get("Retry-After"), tc.want(time.Now().Add(30*time.Second)); rec.Code != 429 || got != want {
					t.Errorf("%d, Retry-After %q, want %q", rec.Code, got, want)
				}
				get(t, srv, eventsPath(1, ""))
				if e := srv.Journal().After(2)[0]; e.TooEarly != tc.early || !e.WindowClosed {
					t.Errorf("too early %t, want %t", e.TooEarly, tc.early)
				}
			})
		})
	}
}

func withRateLimit(c *mockapi.Config) { c.RateLimit, c.RateWindow = 10, time.Minute }

func wantRateHeaders(t *testing.T, h http.Header, limit, remaining, reset string) {
	t.Helper()
	got := [3]string{h.Get("X-RateLimit-Limit"), h.Get("X-RateLimit-Remaining"), h.Get("X-RateLimit-Reset")}
	if want := [3]string{limit, remaining, reset}; got != want {
		t.Errorf("limit, remaining, reset = %v, want %v", got, want)
	}
}

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

// TestRateLimitWindow checks that the first request opens a window of 60 s for 10 requests, that X-RateLimit-Reset is in
// seconds until the end of the window, and that a 429 has the same value in Retry-After.
func TestRateLimitWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, setRateLimit)
		time.Sleep(17 * time.Second) // so that a window that begins with a minute would end too early
		path := eventsPath(1, "")
		wantRateHeaders(t, get(t, srv, path).Header(), rateHeaders{limit: "10", remaining: "9", reset: "60"})
		time.Sleep(31_500 * time.Millisecond) // 28.5 s are left
		for range 8 {
			get(t, srv, path)
		}
		wantRateHeaders(t, get(t, srv, path).Header(), rateHeaders{limit: "10", remaining: "0", reset: "29"})

		time.Sleep(500 * time.Millisecond) // 28 s are left
		rec := get(t, srv, path)
		wantRateHeaders(t, rec.Header(), rateHeaders{limit: "10", remaining: "0", reset: "28"})
		wantEqual(t, "status", rec.Code, http.StatusTooManyRequests)
		wantEqual(t, "Retry-After", rec.Header().Get("Retry-After"), "28")
		const body = `{"code":"RATE_LIMIT_EXCEEDED","error":"Too Many Requests","rateLimit":{"limit":10,"remaining":0,"reset":28}}`
		wantEqual(t, "body", rec.Body.String(), body)

		time.Sleep(28*time.Second - time.Millisecond)
		rec = get(t, srv, path)
		wantEqual(t, "status 1 ms before the end", rec.Code, http.StatusTooManyRequests)
		wantEqual(t, "Retry-After 1 ms before the end", rec.Header().Get("Retry-After"), "1")
		time.Sleep(time.Millisecond)
		wantRateHeaders(t, get(t, srv, path).Header(), rateHeaders{limit: "10", remaining: "9", reset: "60"})
	})
}

// TestRateLimitCountsArrivals checks that a request counts in the window of its arrival, even if its response takes longer
// than the window. It also checks that a HEAD and a request that gets an error count.
func TestRateLimitCountsArrivals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, func(c *mockapi.Config) { setRateLimit(c); c.Latency = 2 * time.Minute })
		var requests sync.WaitGroup
		remaining := make([]string, 10)
		for i := range 10 {
			requests.Go(func() { remaining[i] = get(t, srv, eventsPath(1, "")).Header().Get("X-RateLimit-Remaining") })
			synctest.Wait() // until the request waits for its response
		}
		requests.Wait()
		wantEqual(t, "X-RateLimit-Remaining of the requests", strings.Join(remaining, " "), "9 8 7 6 5 4 3 2 1 0")
	})
	srv := newServer(t, setRateLimit)
	call(t, srv, http.MethodHead, eventsPath(1, ""), testKey)
	get(t, srv, eventsPath(1, "nonsense"))
	wantRateHeaders(t, get(t, srv, eventsPath(1, "")).Header(), rateHeaders{limit: "10", remaining: "7", reset: "60"})
	head := call(t, srv, http.MethodHead, eventsPath(1, ""), testKey)
	wantEqual(t, "length of the body of a HEAD", head.Body.Len(), 0)
}

// TestRateLimitBuckets checks that /events, /sessions and /metrics have separate limits, and that the list of metrics is
// empty.
func TestRateLimitBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, setRateLimit)
		for path, limit := range map[string]int{"/events": 10, "/sessions": 40, "/metrics": 30} {
			for n := range limit {
				rec := get(t, srv, mockapi.BasePath+path)
				wantRateHeaders(t, rec.Header(), rateHeaders{
					limit: strconv.Itoa(limit), remaining: strconv.Itoa(limit - n - 1), reset: "60",
				})
			}
			rec := get(t, srv, mockapi.BasePath+path)
			wantEqual(t, path+": status above the limit", rec.Code, http.StatusTooManyRequests)
			body := decode[struct{ RateLimit struct{ Limit int } }](t, rec)
			wantEqual(t, path+": limit in the body", body.RateLimit.Limit, limit)
		}
		for _, e := range srv.Journal().After(0) {
			if e.TooEarly {
				t.Errorf("got an entry that is too early: %+v; a 429 of another bucket must not cause this", e)
			}
		}
		time.Sleep(time.Minute)
		metrics := decode[wirePage](t, get(t, srv, mockapi.BasePath+"/metrics"))
		wantEqual(t, "number of metrics", len(metrics.Data), 0)
		wantEqual(t, "total of the metrics", metrics.Meta.Total, 0)
		wantEqual(t, "hasMore of the metrics", *metrics.Pagination.HasMore, false)
		wantEqual(t, "nextCursor of the metrics", metrics.Pagination.NextCursor, nil)
	})
}

// TestRateLimitOff checks that a server without a rate limit accepts many requests and sends no rate limit headers.
func TestRateLimitOff(t *testing.T) {
	srv := newServer(t, nil)
	for range 50 {
		rec := get(t, srv, eventsPath(1, ""))
		if rec.Code != http.StatusOK {
			t.Fatalf("got status %d, want 200", rec.Code)
		}
		wantRateHeaders(t, rec.Header(), noRateHeaders)
	}
}

// TestRateLimitHeadersOnErrors checks that responses with an error have rate limit headers, and so do responses to a HEAD.
func TestRateLimitHeadersOnErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, func(c *mockapi.Config) {
			setRateLimit(c)
			c.Faults = []mockapi.Fault{{Kind: "500", At: []int{1}}, {Kind: "null", At: []int{2}}, {Kind: "401", At: []int{3}}}
		})
		for _, remaining := range []string{"9", "8", "7", "6"} {
			rec := get(t, srv, eventsPath(1, "nonsense"))
			wantRateHeaders(t, rec.Header(), rateHeaders{limit: "10", remaining: remaining, reset: "60"})
		}
		time.Sleep(time.Minute)
		head := call(t, srv, http.MethodHead, eventsPath(1, ""), testKey)
		wantRateHeaders(t, head.Header(), rateHeaders{limit: "10", remaining: "9", reset: "60"})
	})
}

// TestRateLimitHeaderForms checks the headers of each form for the second request of a window.
func TestRateLimitHeaderForms(t *testing.T) {
	const left = 58500 * time.Millisecond // the time until the window ends; 59 in whole seconds
	// secondRequest returns the X-RateLimit headers of the second request.
	secondRequest := func(reset string) map[string]string {
		return map[string]string{"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "8", "X-RateLimit-Reset": reset}
	}
	for form, want := range map[mockapi.RateHeaders]func(windowEnd time.Time) map[string]string{
		mockapi.RateSeconds: func(time.Time) map[string]string { return secondRequest("59") },
		mockapi.RateEpoch: func(windowEnd time.Time) map[string]string {
			return secondRequest(strconv.FormatInt(windowEnd.Unix()+1, 10))
		},
		mockapi.RateEpochMillis: func(windowEnd time.Time) map[string]string {
			return secondRequest(strconv.FormatInt(windowEnd.UnixMilli()+1, 10))
		},
		mockapi.RateDate: func(windowEnd time.Time) map[string]string {
			return secondRequest(windowEnd.Add(time.Second).UTC().Format(http.TimeFormat))
		},
		mockapi.RateAbsent: func(time.Time) map[string]string { return nil },
		mockapi.RateLying: func(time.Time) map[string]string {
			return map[string]string{"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "10", "X-RateLimit-Reset": "1"}
		},
		mockapi.RateIETF: func(time.Time) map[string]string {
			return map[string]string{"RateLimit": `"default";r=8;t=59`, "RateLimit-Policy": `"default";q=10;w=60`}
		},
	} {
		t.Run(string(form), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newServer(t, func(c *mockapi.Config) { setRateLimit(c); c.RateHeaders = form })
				// The window ends between two seconds and between two milliseconds, so the mock must round up.
				time.Sleep(200*time.Millisecond + 300*time.Microsecond)
				get(t, srv, eventsPath(1, ""))
				time.Sleep(time.Minute - left)
				h := get(t, srv, eventsPath(1, "")).Header()
				wantHeaders := want(time.Now().Add(left))
				for _, name := range []string{"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit", "RateLimit-Policy"} {
					if got := h.Get(name); got != wantHeaders[name] {
						t.Errorf("got %s %q, want %q", name, got, wantHeaders[name])
					}
				}
			})
		})
	}
}

// TestRetryAfterForms checks Retry-After on a 429 in each form. It also checks that the journal marks the next request as too
// early, but only if the headers of the 429 contained the correct time to wait.
func TestRetryAfterForms(t *testing.T) {
	const window = 30 * time.Second
	for _, tc := range []struct {
		form     mockapi.RetryAfter
		headers  mockapi.RateHeaders
		want     func(windowEnd time.Time) string
		tooEarly bool // whether the journal marks the request after the 429
	}{
		{form: mockapi.RetrySeconds, headers: mockapi.RateSeconds, want: always("30"), tooEarly: true},
		{form: mockapi.RetrySeconds, headers: mockapi.RateAbsent, want: always("30"), tooEarly: true},
		{
			form: mockapi.RetryDate, headers: mockapi.RateAbsent,
			want:     func(windowEnd time.Time) string { return windowEnd.UTC().Format(http.TimeFormat) },
			tooEarly: true,
		},
		{form: mockapi.RetryZero, headers: mockapi.RateSeconds, want: always("0"), tooEarly: true},
		{form: mockapi.RetryZero, headers: mockapi.RateLying, want: always("0"), tooEarly: false},
		{form: mockapi.RetryAbsent, headers: mockapi.RateIETF, want: always(""), tooEarly: true},
		{form: mockapi.RetryAbsent, headers: mockapi.RateAbsent, want: always(""), tooEarly: false},
	} {
		t.Run(fmt.Sprint(tc.form, " with ", tc.headers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newServer(t, func(c *mockapi.Config) {
					c.RateLimit, c.RateWindow = 1, window
					c.RetryAfter, c.RateHeaders = tc.form, tc.headers
				})
				get(t, srv, eventsPath(1, ""))
				rec := get(t, srv, eventsPath(1, ""))
				wantEqual(t, "status", rec.Code, http.StatusTooManyRequests)
				wantEqual(t, "Retry-After", rec.Header().Get("Retry-After"), tc.want(time.Now().Add(window)))
				get(t, srv, eventsPath(1, ""))
				e := srv.Journal().After(2)[0]
				wantEqual(t, "TooEarly", e.TooEarly, tc.tooEarly)
				wantEqual(t, "WindowClosed", e.WindowClosed, true)
			})
		})
	}
}

// always returns a function that ignores the end of the window and returns value.
func always(value string) func(windowEnd time.Time) string {
	return func(time.Time) string { return value }
}

// setRateLimit sets the limit of the live service.
func setRateLimit(c *mockapi.Config) { c.RateLimit, c.RateWindow = 10, time.Minute }

// rateHeaders contains the values of the X-RateLimit headers. A missing header has the value "".
type rateHeaders struct{ limit, remaining, reset string }

var noRateHeaders = rateHeaders{}

func wantRateHeaders(t *testing.T, h http.Header, want rateHeaders) {
	t.Helper()
	got := rateHeaders{
		limit: h.Get("X-RateLimit-Limit"), remaining: h.Get("X-RateLimit-Remaining"), reset: h.Get("X-RateLimit-Reset"),
	}
	if got != want {
		t.Errorf("got rate limit headers %+v, want %+v", got, want)
	}
}

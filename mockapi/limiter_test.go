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
		srv := newServer(t, allow10PerMinute)
		// The clock of the bubble begins at a full minute. If windows were full minutes, this window would have 43 s left.
		time.Sleep(17 * time.Second)
		rec := get(t, srv, firstEventPath)
		wantRateHeaders(t, rec.Header(), rateHeaders{limit: "10", remaining: "9", reset: "60"})
		time.Sleep(31_500 * time.Millisecond) // 28.5 s are left
		for range 8 {                         // requests 2 to 9
			get(t, srv, firstEventPath)
		}
		rec = get(t, srv, firstEventPath) // the tenth request
		wantRateHeaders(t, rec.Header(), rateHeaders{limit: "10", remaining: "0", reset: "29"})

		time.Sleep(500 * time.Millisecond) // 28 s are left
		rec = get(t, srv, firstEventPath)
		wantRateHeaders(t, rec.Header(), rateHeaders{limit: "10", remaining: "0", reset: "28"})
		wantEqual(t, "status", rec.Code, http.StatusTooManyRequests)
		wantEqual(t, "Retry-After", rec.Header().Get("Retry-After"), "28")
		const body = `{"code":"RATE_LIMIT_EXCEEDED","error":"Too Many Requests","rateLimit":{"limit":10,"remaining":0,"reset":28}}`
		wantEqual(t, "body", rec.Body.String(), body)

		time.Sleep(28*time.Second - time.Millisecond)
		rec = get(t, srv, firstEventPath)
		wantEqual(t, "status 1 ms before the end", rec.Code, http.StatusTooManyRequests)
		wantEqual(t, "Retry-After 1 ms before the end", rec.Header().Get("Retry-After"), "1")
		time.Sleep(time.Millisecond) // the window has ended, so the next request opens another one
		rec = get(t, srv, firstEventPath)
		wantRateHeaders(t, rec.Header(), rateHeaders{limit: "10", remaining: "9", reset: "60"})
	})
}

// TestRateLimitCountsArrivals checks that a request counts in the window of its arrival, even if its response takes longer
// than the window. The test also checks that a HEAD counts, and so does a request that gets an error.
func TestRateLimitCountsArrivals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, allow10PerMinute, withLatency(2*time.Minute))
		var requests sync.WaitGroup
		remaining := make([]string, 10)
		for i := range 10 {
			requests.Go(func() { remaining[i] = get(t, srv, firstEventPath).Header().Get("X-RateLimit-Remaining") })
			synctest.Wait() // until the request has arrived, so that the requests arrive in order
		}
		requests.Wait()
		wantEqual(t, "X-RateLimit-Remaining of the requests", strings.Join(remaining, " "), "9 8 7 6 5 4 3 2 1 0")
	})
	srv := newServer(t, allow10PerMinute)
	call(t, srv, http.MethodHead, firstEventPath, testKey)
	get(t, srv, eventsPath(1, "nonsense"))
	third := get(t, srv, firstEventPath)
	wantRateHeaders(t, third.Header(), rateHeaders{limit: "10", remaining: "7", reset: "60"})
	head := call(t, srv, http.MethodHead, firstEventPath, testKey)
	wantEqual(t, "length of the body of a HEAD", head.Body.Len(), 0)
}

// TestRateLimitBuckets checks that /events, /sessions and /metrics have separate limits, and that the list of metrics is
// empty.
func TestRateLimitBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, allow10PerMinute)
		for path, limit := range map[string]int{"/events": 10, "/sessions": 40, "/metrics": 30} {
			for remaining := limit - 1; remaining >= 0; remaining-- {
				rec := get(t, srv, mockapi.BasePath+path)
				wantRateHeaders(t, rec.Header(), rateHeaders{
					limit: strconv.Itoa(limit), remaining: strconv.Itoa(remaining), reset: "60",
				})
			}
			rec := get(t, srv, mockapi.BasePath+path)
			wantEqual(t, path+": status above the limit", rec.Code, http.StatusTooManyRequests)
			body := decode[struct{ RateLimit struct{ Limit int } }](t, rec)
			wantEqual(t, path+": limit in the body", body.RateLimit.Limit, limit)
		}
		for _, e := range allEntries(srv) {
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
	srv := newServer(t)
	for range 50 {
		rec := get(t, srv, firstEventPath)
		if rec.Code != http.StatusOK {
			t.Fatalf("got status %d, want 200", rec.Code)
		}
		wantRateHeaders(t, rec.Header(), noRateHeaders)
	}
}

// TestRateLimitHeadersOnErrors checks that responses with an error have rate limit headers, and so do responses to a HEAD.
func TestRateLimitHeadersOnErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, allow10PerMinute, withFaults(t, "500@1", "null@2", "401@3"))
		for _, remaining := range []string{"9", "8", "7", "6"} {
			rec := get(t, srv, eventsPath(1, "nonsense")) // request 4 gets the error for the invalid cursor
			wantRateHeaders(t, rec.Header(), rateHeaders{limit: "10", remaining: remaining, reset: "60"})
		}
		time.Sleep(time.Minute) // so that the HEAD opens a new window
		head := call(t, srv, http.MethodHead, firstEventPath, testKey)
		wantRateHeaders(t, head.Header(), rateHeaders{limit: "10", remaining: "9", reset: "60"})
	})
}

// TestRateLimitHeaderForms checks the headers of each form for the second request of a window.
func TestRateLimitHeaderForms(t *testing.T) {
	const left = 58_500 * time.Millisecond // the time until the window ends; 59 s after rounding up
	// secondRequest returns the X-RateLimit headers of the second request. In the forms with a time, reset is the end of the
	// window rounded up: without its fraction, plus 1.
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
				srv := newServer(t, allow10PerMinute, func(c *mockapi.Config) { c.RateHeaders = form })
				// The window then ends between two seconds and between two milliseconds, so the mock must round up.
				time.Sleep(200*time.Millisecond + 300*time.Microsecond)
				get(t, srv, firstEventPath)
				time.Sleep(time.Minute - left)
				h := get(t, srv, firstEventPath).Header()
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

// TestRetryAfterForms checks Retry-After on a 429 in each form. The test also checks that the journal marks the next request
// as too early only if the headers of the 429 contained the correct time to wait.
func TestRetryAfterForms(t *testing.T) {
	const window = 30 * time.Second
	for _, tc := range []struct {
		form     mockapi.RetryAfter
		headers  mockapi.RateHeaders
		want     func(windowEnd time.Time) string // returns the expected Retry-After
		tooEarly bool                             // whether the journal marks the request after the 429
	}{
		{form: mockapi.RetrySeconds, headers: mockapi.RateSeconds, want: always("30"), tooEarly: true},
		{form: mockapi.RetrySeconds, headers: mockapi.RateAbsent, want: always("30"), tooEarly: true},
		{
			form: mockapi.RetryDate, headers: mockapi.RateAbsent,
			want:     func(windowEnd time.Time) string { return windowEnd.UTC().Format(http.TimeFormat) },
			tooEarly: true,
		},
		{form: mockapi.RetryZero, headers: mockapi.RateSeconds, want: always("0"), tooEarly: true}, // X-RateLimit-Reset is correct
		{form: mockapi.RetryZero, headers: mockapi.RateLying, want: always("0"), tooEarly: false},
		{form: mockapi.RetryAbsent, headers: mockapi.RateIETF, want: always(""), tooEarly: true},
		{form: mockapi.RetryAbsent, headers: mockapi.RateAbsent, want: always(""), tooEarly: false},
	} {
		t.Run(fmt.Sprint(tc.form, " with ", tc.headers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newServer(t, withRateLimit(1, window), func(c *mockapi.Config) {
					c.RetryAfter, c.RateHeaders = tc.form, tc.headers
				})
				get(t, srv, firstEventPath) // request 1 is within the limit
				rec := get(t, srv, firstEventPath)
				wantEqual(t, "status", rec.Code, http.StatusTooManyRequests)
				wantEqual(t, "Retry-After", rec.Header().Get("Retry-After"), tc.want(time.Now().Add(window)))
				get(t, srv, firstEventPath) // request 3 comes at once after the 429
				e := entryOf(t, srv, 3)
				wantEqual(t, "TooEarly", e.TooEarly, tc.tooEarly)
				wantEqual(t, "WindowClosed", e.WindowClosed, true)
			})
		})
	}
}

// always returns a function that returns value for any end of the window.
func always(value string) func(windowEnd time.Time) string {
	return func(time.Time) string { return value }
}

// rateHeaders contains the values of the X-RateLimit headers. A missing header has the value "".
type rateHeaders struct{ limit, remaining, reset string }

var noRateHeaders = rateHeaders{}

// wantRateHeaders checks the X-RateLimit headers of a response.
func wantRateHeaders(t *testing.T, h http.Header, want rateHeaders) {
	t.Helper()
	got := rateHeaders{
		limit: h.Get("X-RateLimit-Limit"), remaining: h.Get("X-RateLimit-Remaining"), reset: h.Get("X-RateLimit-Reset"),
	}
	if got != want {
		t.Errorf("got rate limit headers %+v, want %+v", got, want)
	}
}

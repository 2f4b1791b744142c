package mockapi_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

// "`-Reset` (whole seconds left in the window …; not an epoch)", and by switch all that others send under these names.
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
				// The window ends between two seconds, and between two milliseconds, and is not to be cut short.
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

// "on 429 `Retry-After` in seconds, equal to Reset", and 429 without it. Who was not told when cannot come too early.
func TestRetryAfterForms(t *testing.T) {
	for _, tc := range []struct {
		form    mockapi.RetryAfter
		headers mockapi.RateHeaders
		want    func(end time.Time) string
		told    bool
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
				if e := srv.Journal().After(2)[0]; e.TooEarly != tc.told || !e.WindowClosed {
					t.Errorf("too early %t, want %t", e.TooEarly, tc.told)
				}
			})
		})
	}
}

func TestFault429Bare(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) {
		withRateLimit(c)
		c.Faults = []mockapi.Fault{{Kind: "429-bare", At: []int{1}}}
	})
	rec := get(t, srv, eventsPath(1, ""))
	if rec.Code != 429 || rec.Header().Get("Retry-After") != "" {
		t.Errorf("%d %v", rec.Code, rec.Header())
	}
	wantRateHeaders(t, rec.Header(), "", "", "")
	get(t, srv, eventsPath(1, ""))
	if e := srv.Journal().After(1)[0]; e.TooEarly || e.Status != 200 {
		t.Errorf("%+v", e)
	}
}

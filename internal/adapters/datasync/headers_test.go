package datasync

import (
	"net/http"
	"testing"
	"time"
)

func TestHeadersTellWhen(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 27, 12, 0, 0, 0, time.UTC) // by the local clock
	const (
		serverNow  = "Tue, 27 Jan 2026 13:30:00 GMT" // an hour and a half fast
		serverThen = "Tue, 27 Jan 2026 13:30:41 GMT"
	)
	none := time.Time{}
	tests := []struct {
		name      string
		headers   []string // names and values by turns
		remaining int64    // -99: not said
		reset     time.Time
		retry     time.Time
	}{
		{"nothing", nil, -99, none, none},
		{"as recorded on an answer", []string{"X-RateLimit-Remaining", "3", "X-RateLimit-Reset", "28"}, 3, now.Add(28 * time.Second), none},
		{"as recorded on a refusal", []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "28", "Retry-After", "28"}, 0, now.Add(28 * time.Second), now.Add(28 * time.Second)},
		{"a reset of nothing", []string{"X-RateLimit-Reset", "0"}, -99, now, none},
		{"a reset in epoch seconds", []string{"X-RateLimit-Reset", "1769515228"}, -99, now.Add(28 * time.Second), none},
		{"a reset in epoch milliseconds", []string{"X-RateLimit-Reset", "1769515228000"}, -99, now.Add(28 * time.Second), none},
		{"an epoch by a clock that is fast", []string{"X-RateLimit-Reset", "1769520641", "Date", serverNow}, -99, now.Add(41 * time.Second), none},
		{"a long window", []string{"X-RateLimit-Reset", "1000000000"}, -99, now.Add(1e9 * time.Second), none},
		{"a fraction of seconds", []string{"X-RateLimit-Reset", "41.25"}, -99, now.Add(41_250 * time.Millisecond), none},
		{"a fraction of nothing", []string{"X-RateLimit-Reset", ".5"}, -99, now.Add(500 * time.Millisecond), none},
		{"two points", []string{"X-RateLimit-Reset", "4.1.2"}, -99, none, none},
		{"a point alone", []string{"X-RateLimit-Reset", "."}, -99, none, none},
		{"an epoch with a fraction", []string{"X-RateLimit-Reset", "1769515228.5"}, -99, now.Add(28_500 * time.Millisecond), none},
		{"a reset as RFC 3339", []string{"X-RateLimit-Reset", "2026-01-27T12:00:41Z"}, -99, now.Add(41 * time.Second), none},
		{"RFC 3339 with a zone and a fraction", []string{"X-RateLimit-Reset", "2026-01-27T13:00:41.5+01:00"}, -99, now.Add(41_500 * time.Millisecond), none},
		{"RFC 3339 by a clock that is fast", []string{"X-RateLimit-Reset", "2026-01-27T13:30:41Z", "Date", serverNow}, -99, now.Add(41 * time.Second), none},
		{"a reset as an HTTP-date", []string{"X-RateLimit-Reset", serverThen, "Date", serverNow}, -99, now.Add(41 * time.Second), none},
		{"seconds with their unit", []string{"X-RateLimit-Reset", "42s"}, -99, now.Add(42 * time.Second), none},
		{"minutes and seconds", []string{"X-RateLimit-Reset", "6m0s"}, -99, now.Add(6 * time.Minute), none},
		{"milliseconds with their unit", []string{"X-RateLimit-Reset", "20ms"}, -99, now.Add(20 * time.Millisecond), none},
		{"a negative duration", []string{"X-RateLimit-Reset", "-42s"}, -99, none, none},
		{"a reset beyond any epoch", []string{"X-RateLimit-Reset", "1769515228000000"}, -99, none, none},
		{"a reset beyond int64", []string{"X-RateLimit-Reset", "99999999999999999999999"}, -99, none, none},
		{"a negative reset", []string{"X-RateLimit-Reset", "-5"}, -99, none, none},
		{"a reset that is no number", []string{"X-RateLimit-Reset", "soon"}, -99, none, none},
		{"a negative rest", []string{"X-RateLimit-Remaining", "-3"}, -3, none, none},
		{"a rest that is no number", []string{"X-RateLimit-Remaining", "many"}, -99, none, none},
		{"Retry-After: 0", []string{"Retry-After", "0"}, -99, none, now},
		{"a negative Retry-After", []string{"Retry-After", "-1"}, -99, none, none},
		{"a fraction in Retry-After", []string{"Retry-After", "1.5"}, -99, none, now.Add(1500 * time.Millisecond)},
		{"a unit in Retry-After", []string{"Retry-After", "42s"}, -99, none, now.Add(42 * time.Second)},
		{"an empty Retry-After", []string{"Retry-After", ""}, -99, none, none},
		{"an absurd Retry-After", []string{"Retry-After", "99999999999999999999999"}, -99, none, now.Add(1e9 * time.Second)},
		{"Retry-After is never an epoch", []string{"Retry-After", "1769515228"}, -99, none, now.Add(1e9 * time.Second)},
		{"an HTTP-date", []string{"Retry-After", "Tue, 27 Jan 2026 12:00:41 GMT"}, -99, none, now.Add(41 * time.Second)},
		{"an HTTP-date by a clock that is fast", []string{"Retry-After", serverThen, "Date", serverNow}, -99, none, now.Add(41 * time.Second)},
		{"an HTTP-date of RFC 850", []string{"Retry-After", "Tuesday, 27-Jan-26 12:00:41 GMT"}, -99, none, now.Add(41 * time.Second)},
		{"an HTTP-date in the past", []string{"Retry-After", "Tue, 27 Jan 2026 11:59:00 GMT"}, -99, none, now.Add(-time.Minute)},
		{"RFC 3339 in Retry-After", []string{"Retry-After", "2026-01-27T12:00:41Z"}, -99, none, now.Add(41 * time.Second)},
		{"a date that is none", []string{"Retry-After", "2026-01-27"}, -99, none, none},
		{"the IETF draft's fields", []string{"RateLimit-Remaining", "0", "RateLimit-Reset", "9"}, 0, now.Add(9 * time.Second), none},
		{"the IETF draft's structured field", []string{"RateLimit", `"default";r=0;t=30`}, 0, now.Add(30 * time.Second), none},
		{"the structured field with tokens and a fraction", []string{"RateLimit", `default;r=0;t=30.5`}, 0, now.Add(30_500 * time.Millisecond), none},
		{"the structured field with its policy", []string{"RateLimit", `"default";r=0;t=30`, "RateLimit-Policy", `"default";q=10;w=60`}, 0, now.Add(30 * time.Second), none},
		{"version 07's dictionary", []string{"RateLimit", `limit=10, remaining=0, reset=42`, "RateLimit-Policy", "10;w=60"}, 0, now.Add(42 * time.Second), none},
		{"a dictionary without a rest", []string{"RateLimit", `limit=10, reset=42`}, -99, now.Add(42 * time.Second), none},
		{"a dictionary of other things", []string{"RateLimit", `limit=(1 2), remaining=many`}, -99, none, none},
		{"what is no structured field", []string{"RateLimit", `"default";r=0;t=30,,`}, -99, none, none},
		{"of two policies used up the later reset", []string{"RateLimit", `"hour";r=0;t=3000, "burst";r=0;t=5`}, 0, now.Add(3000 * time.Second), none},
		{"overdrawn is used up", []string{"RateLimit", `"burst";r=-2;t=5, "hour";r=0;t=3000`}, 0, now.Add(3000 * time.Second), none},
		{"of several policies the tightest", []string{"RateLimit", `"hour";r=90;t=3000, "burst"; r=0; t=5, "day";r=1;t=9`}, 0, now.Add(5 * time.Second), none},
		{"a policy without a rest", []string{"RateLimit", `"default";t=30`}, -99, now.Add(30 * time.Second), none},
		{"the draft's is tighter than the API's own", []string{"X-RateLimit-Remaining", "4", "X-RateLimit-Reset", "60", "RateLimit", `"default";r=0;t=30`}, 0, now.Add(30 * time.Second), none},
		{"the API's own is tighter than the draft's", []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "60", "RateLimit", `"default";r=4;t=30`}, 0, now.Add(60 * time.Second), none},
		{"the older draft's fields are tighter", []string{"X-RateLimit-Remaining", "4", "X-RateLimit-Reset", "60", "RateLimit-Remaining", "0", "RateLimit-Reset", "9"}, 0, now.Add(9 * time.Second), none},
		{"a rest by one name, its reset by another", []string{"X-RateLimit-Remaining", "0", "RateLimit-Reset", "9"}, 0, now.Add(9 * time.Second), none},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for i := 0; i < len(tt.headers); i += 2 {
				h.Set(tt.headers[i], tt.headers[i+1])
			}
			got := DataSync().Headers.parse(h, now, false)
			limit := got.limit
			if limit.hasRemaining != (tt.remaining != -99) || limit.hasRemaining && limit.remaining != tt.remaining {
				t.Errorf("remaining %d (%v), want %d", limit.remaining, limit.hasRemaining, tt.remaining)
			}
			if !limit.reset.Equal(tt.reset) {
				t.Errorf("reset %v, want %v", limit.reset, tt.reset)
			}
			if !got.retryAfter.Equal(tt.retry) {
				t.Errorf("retry after %v, want %v", got.retryAfter, tt.retry)
			}
		})
	}
}

func TestNumbersMayCountMilliseconds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 27, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"28000": 28 * time.Second, "0": 0, "1769515228": 28 * time.Second, "42s": 42 * time.Second,
	} {
		h := http.Header{"X-Ratelimit-Reset": {text}}
		if got := DataSync().Headers.parse(h, now, true).limit.reset; !got.Equal(now.Add(want)) {
			t.Errorf("%s: reset %v, want in %s", text, got, want)
		}
	}
}

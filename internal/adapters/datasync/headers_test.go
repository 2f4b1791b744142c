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
		{"a reset beyond any epoch", []string{"X-RateLimit-Reset", "1769515228000000"}, -99, none, none},
		{"a reset beyond int64", []string{"X-RateLimit-Reset", "99999999999999999999999"}, -99, none, none},
		{"a negative reset", []string{"X-RateLimit-Reset", "-5"}, -99, none, none},
		{"a reset that is no number", []string{"X-RateLimit-Reset", "soon"}, -99, none, none},
		{"a negative rest", []string{"X-RateLimit-Remaining", "-3"}, -3, none, none},
		{"a rest that is no number", []string{"X-RateLimit-Remaining", "many"}, -99, none, none},
		{"Retry-After: 0", []string{"Retry-After", "0"}, -99, none, now},
		{"a negative Retry-After", []string{"Retry-After", "-1"}, -99, none, none},
		{"a fraction in Retry-After", []string{"Retry-After", "1.5"}, -99, none, none},
		{"an empty Retry-After", []string{"Retry-After", ""}, -99, none, none},
		{"an absurd Retry-After", []string{"Retry-After", "99999999999999999999999"}, -99, none, now.Add(1e9 * time.Second)},
		{"Retry-After is never an epoch", []string{"Retry-After", "1769515228"}, -99, none, now.Add(1e9 * time.Second)},
		{"an HTTP-date", []string{"Retry-After", "Tue, 27 Jan 2026 12:00:41 GMT"}, -99, none, now.Add(41 * time.Second)},
		{"an HTTP-date by a clock that is fast", []string{"Retry-After", serverThen, "Date", serverNow}, -99, none, now.Add(41 * time.Second)},
		{"an HTTP-date of RFC 850", []string{"Retry-After", "Tuesday, 27-Jan-26 12:00:41 GMT"}, -99, none, now.Add(41 * time.Second)},
		{"an HTTP-date in the past", []string{"Retry-After", "Tue, 27 Jan 2026 11:59:00 GMT"}, -99, none, now.Add(-time.Minute)},
		{"a date that is none", []string{"Retry-After", "2026-01-27T12:00:41Z"}, -99, none, none},
		{"the IETF draft's fields", []string{"RateLimit-Remaining", "0", "RateLimit-Reset", "9"}, 0, now.Add(9 * time.Second), none},
		{"the IETF draft's structured field", []string{"RateLimit", `"default";r=0;t=30`}, 0, now.Add(30 * time.Second), none},
		{"of several policies the tightest", []string{"RateLimit", `"hour";r=90;t=3000, "burst"; r=0; t=5, "day";r=1;t=9`}, 0, now.Add(5 * time.Second), none},
		{"a policy without a rest", []string{"RateLimit", `"default";t=30`}, -99, none, none},
		{"the API's own before the draft's", []string{"X-RateLimit-Remaining", "4", "RateLimit", `"default";r=0;t=30`}, 4, none, none},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for i := 0; i < len(tt.headers); i += 2 {
				h.Set(tt.headers[i], tt.headers[i+1])
			}
			got := DataSync().Headers.read(h, now)
			if got.hasRemaining != (tt.remaining != -99) || got.hasRemaining && got.remaining != tt.remaining {
				t.Errorf("remaining %d (%v), want %d", got.remaining, got.hasRemaining, tt.remaining)
			}
			if !got.reset.Equal(tt.reset) {
				t.Errorf("reset %v, want %v", got.reset, tt.reset)
			}
			if !got.retryAfter.Equal(tt.retry) {
				t.Errorf("retry after %v, want %v", got.retryAfter, tt.retry)
			}
		})
	}
}

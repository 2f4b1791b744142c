package datasync

import (
	"net/http"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// The units of a reset that is a plain number, as the last argument of HeaderNames.parse.
const (
	inSeconds = false
	inMillis  = true
)

// TestParseHeaders_Quota checks the quota that is parsed from headers. "The draft" is version 10 of the IETF draft of the RateLimit
// fields, and "the older draft" is version 06 (see parseRateLimit and olderDraft).
func TestParseHeaders_Quota(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 27, 12, 0, 0, 0, time.UTC)
	after := func(seconds int) time.Time { return now.Add(time.Duration(seconds) * time.Second) }
	tests := []struct {
		name    string
		headers []string // names, each followed by its value
		want    domain.Quota
	}{
		{name: "nothing"},
		{
			name: "as recorded", want: domain.Quota{Limit: 10, Remaining: 3, Reset: after(28)},
			headers: []string{"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "3", "X-RateLimit-Reset", "28"},
		},
		{
			name: "used up", want: domain.Quota{Limit: 10, Reset: after(1)},
			headers: []string{"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1"},
		},
		{name: "no limit", headers: []string{"X-RateLimit-Remaining", "3", "X-RateLimit-Reset", "28"}},
		{
			name:    "version 07's fields",
			headers: []string{"RateLimit", "limit=10, remaining=3, reset=28", "RateLimit-Policy", "99;w=3600, 10;w=60"},
			want:    domain.Quota{Limit: 10, Remaining: 3, Reset: after(28), Window: time.Minute},
		},
		{
			name:    "a window after the older draft's limit",
			headers: []string{"RateLimit-Limit", "10, 10;w=60", "RateLimit-Remaining", "3", "RateLimit-Reset", "28"},
			want:    domain.Quota{Limit: 10, Remaining: 3, Reset: after(28), Window: time.Minute},
		},
		{
			name:    "the draft's with a token for a name",
			headers: []string{"RateLimit", `default;r=3;t=28`, "RateLimit-Policy", `default;q=10;w=60;qu="requests"`},
			want:    domain.Quota{Limit: 10, Remaining: 3, Reset: after(28), Window: time.Minute},
		},
		{name: "no remaining", headers: []string{"X-RateLimit-Limit", "10", "X-RateLimit-Reset", "28"}},
		{
			name: "no reset", want: domain.Quota{Limit: 10, Remaining: 3},
			headers: []string{"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "3"},
		},
		{name: "a limit of 0", headers: []string{"X-RateLimit-Limit", "0", "X-RateLimit-Remaining", "0"}},
		{name: "a negative limit", headers: []string{"X-RateLimit-Limit", "-1", "X-RateLimit-Remaining", "0"}},
		{name: "limit is not a number", headers: []string{"X-RateLimit-Limit", "many", "X-RateLimit-Remaining", "0"}},
		{
			name: "a negative remaining", want: domain.Quota{Limit: 10},
			headers: []string{"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "-3"},
		},
		{
			name: "remaining beyond the limit", want: domain.Quota{Limit: 10, Remaining: 10},
			headers: []string{"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "99"},
		},
		{
			name: "a reset beyond the maximum window", want: domain.Quota{Limit: 10, Remaining: 3},
			headers: []string{"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "3", "X-RateLimit-Reset", "900000000"},
		},
		{
			name: "the older draft's fields", want: domain.Quota{Limit: 10, Remaining: 3, Reset: after(28)},
			headers: []string{"RateLimit-Limit", "10", "RateLimit-Remaining", "3", "RateLimit-Reset", "28"},
		},
		{
			name:    "the draft's fields",
			headers: []string{"RateLimit", `"default";r=3;t=28`, "RateLimit-Policy", `"default";q=10;w=60`},
			want:    domain.Quota{Limit: 10, Remaining: 3, Reset: after(28), Window: time.Minute},
		},
		{
			name:    "the draft's field without its policy",
			headers: []string{"RateLimit", `"default";r=3;t=28`, "RateLimit-Policy", `"other";q=10;w=60`},
		},
		{
			name: "policy of the tightest limit",
			headers: []string{
				"RateLimit", `"hour";r=90;t=3000, "burst"; r=2; t=5`,
				"RateLimit-Policy", `"hour";q=100;w=3600, "burst"; q=4; w=10`,
			},
			want: domain.Quota{Limit: 4, Remaining: 2, Reset: after(5), Window: 10 * time.Second},
		},
		{
			name:    "a policy without a window",
			headers: []string{"RateLimit", `"default";r=3;t=28`, "RateLimit-Policy", `"default";q=10`},
			want:    domain.Quota{Limit: 10, Remaining: 3, Reset: after(28)},
		},
		{
			name:    "a window beyond the maximum",
			headers: []string{"RateLimit", `"default";r=3;t=28`, "RateLimit-Policy", `"default";q=10;w=99999999999`},
			want:    domain.Quota{Limit: 10, Remaining: 3, Reset: after(28)},
		},
		{
			name:    "a policy that counts bytes",
			headers: []string{"RateLimit", `"default";r=3;t=28`, "RateLimit-Policy", `"default";q=10;w=60;qu="content-bytes"`},
		},
		{
			name:    "a policy that says it counts requests",
			headers: []string{"RateLimit", `"default";r=3;t=28`, "RateLimit-Policy", `"default";q=10;w=60;qu="requests"`},
			want:    domain.Quota{Limit: 10, Remaining: 3, Reset: after(28), Window: time.Minute},
		},
		{
			name: "the window of the policy with the API's own limit",
			headers: []string{
				"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "3",
				"RateLimit-Policy", `"day";q=999;w=86400, "default";q=10;w=60`,
			},
			want: domain.Quota{Limit: 10, Remaining: 3, Window: time.Minute},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for i := 0; i < len(tt.headers); i += 2 {
				h.Set(tt.headers[i], tt.headers[i+1])
			}
			if got := DataSync().Headers.parse(h, now, 0, inSeconds).quota; got != tt.want {
				t.Errorf("got quota %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestParseHeaders_ResetAndRetryAfter checks the remaining requests, the reset and the Retry-After that are parsed from headers.
// "Epoch" is the time since 1970.
func TestParseHeaders_ResetAndRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 27, 12, 0, 0, 0, time.UTC) // by the local clock; 1769515200 in epoch seconds
	const (
		serverNow   = "Tue, 27 Jan 2026 13:30:00 GMT" // now by a server's clock that is 90 minutes fast; 1769520600 in epoch seconds
		serverLater = "Tue, 27 Jan 2026 13:30:41 GMT" // 41 seconds later
		unknown     = -99                             // stands for a remaining count that the headers do not have
	)
	tests := []struct {
		name       string
		headers    []string // names, each followed by its value
		remaining  int64    // may be unknown
		reset      time.Time
		retryAfter time.Time
	}{
		{name: "nothing", remaining: unknown},
		{
			name: "as recorded on an answer", remaining: 3, reset: now.Add(28 * time.Second),
			headers: []string{"X-RateLimit-Remaining", "3", "X-RateLimit-Reset", "28"},
		},
		{
			name: "as recorded on a refusal", remaining: 0, reset: now.Add(28 * time.Second), retryAfter: now.Add(28 * time.Second),
			headers: []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "28", "Retry-After", "28"},
		},
		{name: "a reset of 0", headers: []string{"X-RateLimit-Reset", "0"}, remaining: unknown, reset: now},
		{
			name: "a reset in epoch seconds", remaining: unknown, reset: now.Add(28 * time.Second),
			headers: []string{"X-RateLimit-Reset", "1769515228"},
		},
		{
			name: "a reset in epoch milliseconds", remaining: unknown, reset: now.Add(28 * time.Second),
			headers: []string{"X-RateLimit-Reset", "1769515228000"},
		},
		{
			name: "an epoch by a clock that is fast", remaining: unknown, reset: now.Add(41 * time.Second),
			headers: []string{"X-RateLimit-Reset", "1769520641", "Date", serverNow},
		},
		{
			name: "the greatest number that is not an epoch", remaining: unknown, reset: now.Add(1e9 * time.Second),
			headers: []string{"X-RateLimit-Reset", "1000000000"},
		},
		{
			name: "a fraction of seconds", remaining: unknown, reset: now.Add(41_250 * time.Millisecond),
			headers: []string{"X-RateLimit-Reset", "41.25"},
		},
		{
			name: "a fraction without a whole part", remaining: unknown, reset: now.Add(500 * time.Millisecond),
			headers: []string{"X-RateLimit-Reset", ".5"},
		},
		{name: "two points", headers: []string{"X-RateLimit-Reset", "4.1.2"}, remaining: unknown},
		{name: "a point alone", headers: []string{"X-RateLimit-Reset", "."}, remaining: unknown},
		{
			name: "an epoch with a fraction", remaining: unknown, reset: now.Add(28_500 * time.Millisecond),
			headers: []string{"X-RateLimit-Reset", "1769515228.5"},
		},
		{
			name: "a reset as RFC 3339", remaining: unknown, reset: now.Add(41 * time.Second),
			headers: []string{"X-RateLimit-Reset", "2026-01-27T12:00:41Z"},
		},
		{
			name: "RFC 3339 with a zone and a fraction", remaining: unknown, reset: now.Add(41_500 * time.Millisecond),
			headers: []string{"X-RateLimit-Reset", "2026-01-27T13:00:41.5+01:00"},
		},
		{
			name: "RFC 3339 by a clock that is fast", remaining: unknown, reset: now.Add(41 * time.Second),
			headers: []string{"X-RateLimit-Reset", "2026-01-27T13:30:41Z", "Date", serverNow},
		},
		{
			name: "a reset as an HTTP-date", remaining: unknown, reset: now.Add(41 * time.Second),
			headers: []string{"X-RateLimit-Reset", serverLater, "Date", serverNow},
		},
		{
			name: "seconds with their unit", remaining: unknown, reset: now.Add(42 * time.Second),
			headers: []string{"X-RateLimit-Reset", "42s"},
		},
		{name: "minutes and seconds", headers: []string{"X-RateLimit-Reset", "6m0s"}, remaining: unknown, reset: now.Add(6 * time.Minute)},
		{
			name: "milliseconds with their unit", remaining: unknown, reset: now.Add(20 * time.Millisecond),
			headers: []string{"X-RateLimit-Reset", "20ms"},
		},
		{name: "a negative duration", headers: []string{"X-RateLimit-Reset", "-42s"}, remaining: unknown},
		{name: "a reset beyond any epoch", headers: []string{"X-RateLimit-Reset", "1769515228000000"}, remaining: unknown},
		{name: "a reset beyond int64", headers: []string{"X-RateLimit-Reset", "99999999999999999999999"}, remaining: unknown},
		{name: "a negative reset", headers: []string{"X-RateLimit-Reset", "-5"}, remaining: unknown},
		{name: "reset is not a number", headers: []string{"X-RateLimit-Reset", "soon"}, remaining: unknown},
		{name: "a negative remaining", headers: []string{"X-RateLimit-Remaining", "-3"}, remaining: -3},
		{name: "remaining is not a number", headers: []string{"X-RateLimit-Remaining", "many"}, remaining: unknown},
		{name: "Retry-After: 0", headers: []string{"Retry-After", "0"}, remaining: unknown, retryAfter: now},
		{name: "a negative Retry-After", headers: []string{"Retry-After", "-1"}, remaining: unknown},
		{
			name: "a fraction in Retry-After", headers: []string{"Retry-After", "1.5"}, remaining: unknown,
			retryAfter: now.Add(1500 * time.Millisecond),
		},
		{name: "a unit in Retry-After", headers: []string{"Retry-After", "42s"}, remaining: unknown, retryAfter: now.Add(42 * time.Second)},
		{name: "an empty Retry-After", headers: []string{"Retry-After", ""}, remaining: unknown},
		{
			name: "a Retry-After beyond the maximum", remaining: unknown, retryAfter: now.Add(1e9 * time.Second),
			headers: []string{"Retry-After", "99999999999999999999999"},
		},
		{
			name: "Retry-After is never an epoch", remaining: unknown, retryAfter: now.Add(1e9 * time.Second),
			headers: []string{"Retry-After", "1769515228"},
		},
		{
			name: "an HTTP-date", remaining: unknown, retryAfter: now.Add(41 * time.Second),
			headers: []string{"Retry-After", "Tue, 27 Jan 2026 12:00:41 GMT"},
		},
		{
			name: "an HTTP-date by a clock that is fast", remaining: unknown, retryAfter: now.Add(41 * time.Second),
			headers: []string{"Retry-After", serverLater, "Date", serverNow},
		},
		{
			name: "an HTTP-date of RFC 850", remaining: unknown, retryAfter: now.Add(41 * time.Second),
			headers: []string{"Retry-After", "Tuesday, 27-Jan-26 12:00:41 GMT"},
		},
		{
			name: "an HTTP-date in the past", remaining: unknown, retryAfter: now.Add(-time.Minute),
			headers: []string{"Retry-After", "Tue, 27 Jan 2026 11:59:00 GMT"},
		},
		{
			name: "RFC 3339 in Retry-After", remaining: unknown, retryAfter: now.Add(41 * time.Second),
			headers: []string{"Retry-After", "2026-01-27T12:00:41Z"},
		},
		{name: "a date without a time", headers: []string{"Retry-After", "2026-01-27"}, remaining: unknown},
		{
			name: "the IETF draft's fields", remaining: 0, reset: now.Add(9 * time.Second),
			headers: []string{"RateLimit-Remaining", "0", "RateLimit-Reset", "9"},
		},
		{
			name: "the IETF draft's structured field", remaining: 0, reset: now.Add(30 * time.Second),
			headers: []string{"RateLimit", `"default";r=0;t=30`},
		},
		{
			headers: []string{"RateLimit", `default;r=0;t=30.5`}, remaining: 0, reset: now.Add(30_500 * time.Millisecond),
			name: "the structured field with tokens and a fraction",
		},
		{
			name: "the structured field with its policy", remaining: 0, reset: now.Add(30 * time.Second),
			headers: []string{"RateLimit", `"default";r=0;t=30`, "RateLimit-Policy", `"default";q=10;w=60`},
		},
		{
			name: "version 07's dictionary", remaining: 0, reset: now.Add(42 * time.Second),
			headers: []string{"RateLimit", `limit=10, remaining=0, reset=42`, "RateLimit-Policy", "10;w=60"},
		},
		{
			name: "a dictionary without remaining", remaining: unknown, reset: now.Add(42 * time.Second),
			headers: []string{"RateLimit", `limit=10, reset=42`},
		},
		{name: "a dictionary of other types", headers: []string{"RateLimit", `limit=(1 2), remaining=many`}, remaining: unknown},
		{name: "malformed structured field", headers: []string{"RateLimit", `"default";r=0;t=30,,`}, remaining: unknown},
		{
			name: "later reset of two used-up policies", remaining: 0, reset: now.Add(3000 * time.Second),
			headers: []string{"RateLimit", `"hour";r=0;t=3000, "burst";r=0;t=5`},
		},
		{
			name: "negative remaining is used up", remaining: 0, reset: now.Add(3000 * time.Second),
			headers: []string{"RateLimit", `"burst";r=-2;t=5, "hour";r=0;t=3000`},
		},
		{
			name: "tightest of several policies", remaining: 0, reset: now.Add(5 * time.Second),
			headers: []string{"RateLimit", `"hour";r=90;t=3000, "burst"; r=0; t=5, "day";r=1;t=9`},
		},
		{
			name: "a policy without remaining", remaining: unknown, reset: now.Add(30 * time.Second),
			headers: []string{"RateLimit", `"default";t=30`},
		},
		{
			name: "the draft's is tighter than the API's own", remaining: 0, reset: now.Add(30 * time.Second),
			headers: []string{"X-RateLimit-Remaining", "4", "X-RateLimit-Reset", "60", "RateLimit", `"default";r=0;t=30`},
		},
		{
			name: "the API's own is tighter than the draft's", remaining: 0, reset: now.Add(60 * time.Second),
			headers: []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "60", "RateLimit", `"default";r=4;t=30`},
		},
		{
			name: "the older draft's fields are tighter", remaining: 0, reset: now.Add(9 * time.Second),
			headers: []string{"X-RateLimit-Remaining", "4", "X-RateLimit-Reset", "60", "RateLimit-Remaining", "0", "RateLimit-Reset", "9"},
		},
		{
			name: "remaining and reset in different forms", remaining: 0, reset: now.Add(9 * time.Second),
			headers: []string{"X-RateLimit-Remaining", "0", "RateLimit-Reset", "9"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for i := 0; i < len(tt.headers); i += 2 {
				h.Set(tt.headers[i], tt.headers[i+1])
			}
			got := DataSync().Headers.parse(h, now, 0, inSeconds)
			limit := got.limit
			remaining := int64(unknown)
			if limit.hasRemaining {
				remaining = limit.remaining
			}
			if remaining != tt.remaining {
				t.Errorf("got remaining %d, want %d", remaining, tt.remaining)
			}
			if !limit.reset.Equal(tt.reset) {
				t.Errorf("got reset %v, want %v", limit.reset, tt.reset)
			}
			if !got.retryAfter.Equal(tt.retryAfter) {
				t.Errorf("got Retry-After %v, want %v", got.retryAfter, tt.retryAfter)
			}
		})
	}
}

// TestParseHeaders_Milliseconds checks the reset from an API that counts milliseconds. For such an API, too, a large number is an
// epoch in seconds, and a duration may have its unit.
func TestParseHeaders_Milliseconds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 27, 12, 0, 0, 0, time.UTC) // 1769515200 in epoch seconds
	for text, want := range map[string]time.Duration{
		"28000": 28 * time.Second, "0": 0, "1769515228": 28 * time.Second, "42s": 42 * time.Second,
	} {
		h := http.Header{"X-Ratelimit-Reset": {text}}
		if got := DataSync().Headers.parse(h, now, 0, inMillis).limit.reset; !got.Equal(now.Add(want)) {
			t.Errorf("%s: got reset %v, want %v", text, got, now.Add(want))
		}
	}
}

package datasync

import (
	"net/http"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

func TestParseHeaders_Quota(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 27, 12, 0, 0, 0, time.UTC)
	in := func(seconds int) time.Time { return now.Add(time.Duration(seconds) * time.Second) }
	tests := []struct {
		name    string
		headers []string // names, each followed by its value
		want    domain.Quota
	}{
		{"nothing", nil, domain.Quota{}},
		{"as recorded", []string{"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "3", "X-RateLimit-Reset", "28"}, domain.Quota{Limit: 10, Remaining: 3, Reset: in(28)}},
		{"used up", []string{"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1"}, domain.Quota{Limit: 10, Reset: in(1)}},
		{"no limit", []string{"X-RateLimit-Remaining", "3", "X-RateLimit-Reset", "28"}, domain.Quota{}},
		{
			"version 07's fields",
			[]string{"RateLimit", "limit=10, remaining=3, reset=28", "RateLimit-Policy", "99;w=3600, 10;w=60"},
			domain.Quota{Limit: 10, Remaining: 3, Reset: in(28), Window: time.Minute},
		},
		{
			"a window after the older draft's limit",
			[]string{"RateLimit-Limit", "10, 10;w=60", "RateLimit-Remaining", "3", "RateLimit-Reset", "28"},
			domain.Quota{Limit: 10, Remaining: 3, Reset: in(28), Window: time.Minute},
		},
		{
			"the draft's with a token for a name",
			[]string{"RateLimit", `default;r=3;t=28`, "RateLimit-Policy", `default;q=10;w=60;qu="requests"`},
			domain.Quota{Limit: 10, Remaining: 3, Reset: in(28), Window: time.Minute},
		},
		{"no remaining", []string{"X-RateLimit-Limit", "10", "X-RateLimit-Reset", "28"}, domain.Quota{}},
		{"no reset", []string{"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "3"}, domain.Quota{Limit: 10, Remaining: 3}},
		{"a limit of 0", []string{"X-RateLimit-Limit", "0", "X-RateLimit-Remaining", "0"}, domain.Quota{}},
		{"a negative limit", []string{"X-RateLimit-Limit", "-1", "X-RateLimit-Remaining", "0"}, domain.Quota{}},
		{"limit is not a number", []string{"X-RateLimit-Limit", "many", "X-RateLimit-Remaining", "0"}, domain.Quota{}},
		{"a negative remaining", []string{"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "-3"}, domain.Quota{Limit: 10}},
		{"remaining beyond the limit", []string{"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "99"}, domain.Quota{Limit: 10, Remaining: 10}},
		{"a reset beyond the maximum window", []string{"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "3", "X-RateLimit-Reset", "900000000"}, domain.Quota{Limit: 10, Remaining: 3}},
		{"the older draft's fields", []string{"RateLimit-Limit", "10", "RateLimit-Remaining", "3", "RateLimit-Reset", "28"}, domain.Quota{Limit: 10, Remaining: 3, Reset: in(28)}},
		{
			"the draft's fields",
			[]string{"RateLimit", `"default";r=3;t=28`, "RateLimit-Policy", `"default";q=10;w=60`},
			domain.Quota{Limit: 10, Remaining: 3, Reset: in(28), Window: time.Minute},
		},
		{"the draft's field without its policy", []string{"RateLimit", `"default";r=3;t=28`, "RateLimit-Policy", `"other";q=10;w=60`}, domain.Quota{}},
		{
			"policy of the tightest limit",
			[]string{"RateLimit", `"hour";r=90;t=3000, "burst"; r=2; t=5`, "RateLimit-Policy", `"hour";q=100;w=3600, "burst"; q=4; w=10`},
			domain.Quota{Limit: 4, Remaining: 2, Reset: in(5), Window: 10 * time.Second},
		},
		{
			"a policy without a window",
			[]string{"RateLimit", `"default";r=3;t=28`, "RateLimit-Policy", `"default";q=10`},
			domain.Quota{Limit: 10, Remaining: 3, Reset: in(28)},
		},
		{
			"a window beyond the maximum",
			[]string{"RateLimit", `"default";r=3;t=28`, "RateLimit-Policy", `"default";q=10;w=99999999999`},
			domain.Quota{Limit: 10, Remaining: 3, Reset: in(28)},
		},
		{"a policy that counts bytes", []string{"RateLimit", `"default";r=3;t=28`, "RateLimit-Policy", `"default";q=10;w=60;qu="content-bytes"`}, domain.Quota{}},
		{
			"a policy that says it counts requests",
			[]string{"RateLimit", `"default";r=3;t=28`, "RateLimit-Policy", `"default";q=10;w=60;qu="requests"`},
			domain.Quota{Limit: 10, Remaining: 3, Reset: in(28), Window: time.Minute},
		},
		{
			"the window of the policy with the API's own limit",
			[]string{"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "3", "RateLimit-Policy", `"day";q=999;w=86400, "default";q=10;w=60`},
			domain.Quota{Limit: 10, Remaining: 3, Window: time.Minute},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for i := 0; i < len(tt.headers); i += 2 {
				h.Set(tt.headers[i], tt.headers[i+1])
			}
			if got := DataSync().Headers.parse(h, now, false).quota; got != tt.want {
				t.Errorf("got quota %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestParseHeaders_ResetAndRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 27, 12, 0, 0, 0, time.UTC) // by the local clock
	const (
		serverNow  = "Tue, 27 Jan 2026 13:30:00 GMT" // an hour and a half fast
		serverThen = "Tue, 27 Jan 2026 13:30:41 GMT"
	)
	none := time.Time{}
	tests := []struct {
		name      string
		headers   []string // names, each followed by its value
		remaining int64    // -99: unknown
		reset     time.Time
		retry     time.Time
	}{
		{"nothing", nil, -99, none, none},
		{"as recorded on an answer", []string{"X-RateLimit-Remaining", "3", "X-RateLimit-Reset", "28"}, 3, now.Add(28 * time.Second), none},
		{"as recorded on a refusal", []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "28", "Retry-After", "28"}, 0, now.Add(28 * time.Second), now.Add(28 * time.Second)},
		{"a reset of 0", []string{"X-RateLimit-Reset", "0"}, -99, now, none},
		{"a reset in epoch seconds", []string{"X-RateLimit-Reset", "1769515228"}, -99, now.Add(28 * time.Second), none},
		{"a reset in epoch milliseconds", []string{"X-RateLimit-Reset", "1769515228000"}, -99, now.Add(28 * time.Second), none},
		{"an epoch by a clock that is fast", []string{"X-RateLimit-Reset", "1769520641", "Date", serverNow}, -99, now.Add(41 * time.Second), none},
		{"a long window", []string{"X-RateLimit-Reset", "1000000000"}, -99, now.Add(1e9 * time.Second), none},
		{"a fraction of seconds", []string{"X-RateLimit-Reset", "41.25"}, -99, now.Add(41_250 * time.Millisecond), none},
		{"a fraction without a whole part", []string{"X-RateLimit-Reset", ".5"}, -99, now.Add(500 * time.Millisecond), none},
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
		{"reset is not a number", []string{"X-RateLimit-Reset", "soon"}, -99, none, none},
		{"a negative remaining", []string{"X-RateLimit-Remaining", "-3"}, -3, none, none},
		{"remaining is not a number", []string{"X-RateLimit-Remaining", "many"}, -99, none, none},
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
		{"a date without a time", []string{"Retry-After", "2026-01-27"}, -99, none, none},
		{"the IETF draft's fields", []string{"RateLimit-Remaining", "0", "RateLimit-Reset", "9"}, 0, now.Add(9 * time.Second), none},
		{"the IETF draft's structured field", []string{"RateLimit", `"default";r=0;t=30`}, 0, now.Add(30 * time.Second), none},
		{"the structured field with tokens and a fraction", []string{"RateLimit", `default;r=0;t=30.5`}, 0, now.Add(30_500 * time.Millisecond), none},
		{"the structured field with its policy", []string{"RateLimit", `"default";r=0;t=30`, "RateLimit-Policy", `"default";q=10;w=60`}, 0, now.Add(30 * time.Second), none},
		{"version 07's dictionary", []string{"RateLimit", `limit=10, remaining=0, reset=42`, "RateLimit-Policy", "10;w=60"}, 0, now.Add(42 * time.Second), none},
		{"a dictionary without remaining", []string{"RateLimit", `limit=10, reset=42`}, -99, now.Add(42 * time.Second), none},
		{"a dictionary of other types", []string{"RateLimit", `limit=(1 2), remaining=many`}, -99, none, none},
		{"malformed structured field", []string{"RateLimit", `"default";r=0;t=30,,`}, -99, none, none},
		{"later reset of two used-up policies", []string{"RateLimit", `"hour";r=0;t=3000, "burst";r=0;t=5`}, 0, now.Add(3000 * time.Second), none},
		{"negative remaining is used up", []string{"RateLimit", `"burst";r=-2;t=5, "hour";r=0;t=3000`}, 0, now.Add(3000 * time.Second), none},
		{"tightest of several policies", []string{"RateLimit", `"hour";r=90;t=3000, "burst"; r=0; t=5, "day";r=1;t=9`}, 0, now.Add(5 * time.Second), none},
		{"a policy without remaining", []string{"RateLimit", `"default";t=30`}, -99, now.Add(30 * time.Second), none},
		{"the draft's is tighter than the API's own", []string{"X-RateLimit-Remaining", "4", "X-RateLimit-Reset", "60", "RateLimit", `"default";r=0;t=30`}, 0, now.Add(30 * time.Second), none},
		{"the API's own is tighter than the draft's", []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "60", "RateLimit", `"default";r=4;t=30`}, 0, now.Add(60 * time.Second), none},
		{"the older draft's fields are tighter", []string{"X-RateLimit-Remaining", "4", "X-RateLimit-Reset", "60", "RateLimit-Remaining", "0", "RateLimit-Reset", "9"}, 0, now.Add(9 * time.Second), none},
		{"remaining and reset in different forms", []string{"X-RateLimit-Remaining", "0", "RateLimit-Reset", "9"}, 0, now.Add(9 * time.Second), none},
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
				t.Errorf("got remaining %d (known: %v), want %d", limit.remaining, limit.hasRemaining, tt.remaining)
			}
			if !limit.reset.Equal(tt.reset) {
				t.Errorf("got reset %v, want %v", limit.reset, tt.reset)
			}
			if !got.retryAfter.Equal(tt.retry) {
				t.Errorf("got retry after %v, want %v", got.retryAfter, tt.retry)
			}
		})
	}
}

func TestParseHeaders_Milliseconds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 27, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"28000": 28 * time.Second, "0": 0, "1769515228": 28 * time.Second, "42s": 42 * time.Second,
	} {
		h := http.Header{"X-Ratelimit-Reset": {text}}
		if got := DataSync().Headers.parse(h, now, true).limit.reset; !got.Equal(now.Add(want)) {
			t.Errorf("%s: got reset %v, want in %s", text, got, want)
		}
	}
}

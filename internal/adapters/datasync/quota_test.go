package datasync

import (
	"net/http"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

func TestHeadersTellTheQuota(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 27, 12, 0, 0, 0, time.UTC)
	in := func(seconds int) time.Time { return now.Add(time.Duration(seconds) * time.Second) }
	tests := []struct {
		name    string
		headers []string // names and values by turns
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
			"a window behind the older draft's limit",
			[]string{"RateLimit-Limit", "10, 10;w=60", "RateLimit-Remaining", "3", "RateLimit-Reset", "28"},
			domain.Quota{Limit: 10, Remaining: 3, Reset: in(28), Window: time.Minute},
		},
		{
			"the draft's with a token for a name",
			[]string{"RateLimit", `default;r=3;t=28`, "RateLimit-Policy", `default;q=10;w=60;qu="requests"`},
			domain.Quota{Limit: 10, Remaining: 3, Reset: in(28), Window: time.Minute},
		},
		{"no rest", []string{"X-RateLimit-Limit", "10", "X-RateLimit-Reset", "28"}, domain.Quota{}},
		{"no reset", []string{"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "3"}, domain.Quota{Limit: 10, Remaining: 3}},
		{"a limit of nothing", []string{"X-RateLimit-Limit", "0", "X-RateLimit-Remaining", "0"}, domain.Quota{}},
		{"a negative limit", []string{"X-RateLimit-Limit", "-1", "X-RateLimit-Remaining", "0"}, domain.Quota{}},
		{"a limit that is no number", []string{"X-RateLimit-Limit", "many", "X-RateLimit-Remaining", "0"}, domain.Quota{}},
		{"a negative rest", []string{"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "-3"}, domain.Quota{Limit: 10}},
		{"a rest beyond the limit", []string{"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "99"}, domain.Quota{Limit: 10, Remaining: 10}},
		{"a reset beyond any window", []string{"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "3", "X-RateLimit-Reset", "900000000"}, domain.Quota{Limit: 10, Remaining: 3}},
		{"the older draft's fields", []string{"RateLimit-Limit", "10", "RateLimit-Remaining", "3", "RateLimit-Reset", "28"}, domain.Quota{Limit: 10, Remaining: 3, Reset: in(28)}},
		{
			"the draft's fields",
			[]string{"RateLimit", `"default";r=3;t=28`, "RateLimit-Policy", `"default";q=10;w=60`},
			domain.Quota{Limit: 10, Remaining: 3, Reset: in(28), Window: time.Minute},
		},
		{"the draft's field without its policy", []string{"RateLimit", `"default";r=3;t=28`, "RateLimit-Policy", `"other";q=10;w=60`}, domain.Quota{}},
		{
			"the policy of what has the least left",
			[]string{"RateLimit", `"hour";r=90;t=3000, "burst"; r=2; t=5`, "RateLimit-Policy", `"hour";q=100;w=3600, "burst"; q=4; w=10`},
			domain.Quota{Limit: 4, Remaining: 2, Reset: in(5), Window: 10 * time.Second},
		},
		{
			"a policy without a window",
			[]string{"RateLimit", `"default";r=3;t=28`, "RateLimit-Policy", `"default";q=10`},
			domain.Quota{Limit: 10, Remaining: 3, Reset: in(28)},
		},
		{
			"a window beyond any",
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
				t.Errorf("quota %+v, want %+v", got, tt.want)
			}
		})
	}
}

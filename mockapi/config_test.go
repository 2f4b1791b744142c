package mockapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

// TestNewInvalidConfig checks that New returns an error for each invalid setting. The error names the flag of the setting.
func TestNewInvalidConfig(t *testing.T) {
	setFaults := func(faults ...mockapi.Fault) func(*mockapi.Config) {
		return func(c *mockapi.Config) { c.Faults = faults }
	}
	for _, tc := range []struct {
		makeInvalid func(*mockapi.Config)
		want        string // the beginning of the error
	}{
		{makeInvalid: func(c *mockapi.Config) { c.Events = -1 }, want: "events: -1"},
		{makeInvalid: func(c *mockapi.Config) { c.Events = 1_000_000_001 }, want: "events: 1000000001"},
		{makeInvalid: func(c *mockapi.Config) { c.APIKey = "" }, want: "api-key: "},
		{makeInvalid: func(c *mockapi.Config) { c.RateLimit = -1 }, want: "rate-limit: -1"},
		{makeInvalid: func(c *mockapi.Config) { c.RateWindow = 0 }, want: "rate-window: 0s"},
		{makeInvalid: func(c *mockapi.Config) { c.CursorTTL = 0 }, want: "cursor-ttl: 0s"},
		{makeInvalid: func(c *mockapi.Config) { c.Latency = time.Hour }, want: "latency: 1h0m0s"}, // 10 min are allowed
		{makeInvalid: func(c *mockapi.Config) { c.Envelope = "round" }, want: `envelope: "round"`},
		{makeInvalid: func(c *mockapi.Config) { c.DefaultLimit = c.MaxLimit + 1 }, want: "default-limit: 5001"},
		{makeInvalid: func(c *mockapi.Config) { c.MaxLimit = 0 }, want: "max-limit: 0"},
		{makeInvalid: func(c *mockapi.Config) { c.JournalLimit = -1 }, want: "journal-limit: -1"},
		{makeInvalid: setFaults(mockapi.Fault{Kind: "418", At: []int{1}}), want: `fault: "418"`},
		{makeInvalid: setFaults(mockapi.Fault{Kind: "500"}), want: "fault: 500 needs"},
		{
			makeInvalid: setFaults(mockapi.Fault{Kind: "500", At: []int{1}, Probability: 1}),
			want:        "fault: 500 has request numbers and a probability",
		},
		{
			makeInvalid: setFaults(mockapi.Fault{Kind: "500", At: []int{7}}, mockapi.Fault{Kind: "503", At: []int{7}}),
			want:        "fault: request 7 cannot",
		},
		{
			makeInvalid: setFaults(mockapi.Fault{Kind: "500", Probability: .6}, mockapi.Fault{Kind: "503", Probability: .6}),
			want:        "fault: the probabilities",
		},
	} {
		cfg := mockapi.DefaultConfig()
		tc.makeInvalid(&cfg)
		srv, err := mockapi.New(cfg)
		if err == nil || !strings.HasPrefix(err.Error(), "mockapi: "+tc.want) {
			t.Errorf("got error %v, want one that begins with %q", err, "mockapi: "+tc.want)
		}
		if srv != nil {
			t.Errorf("%s: got a server, want nil", tc.want)
		}
	}
}

package mockapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

// TestNewInvalidConfig checks that New returns an error for each invalid setting. The error names the flag of the setting.
func TestNewInvalidConfig(t *testing.T) {
	forRequest := func(n int, kind mockapi.FaultKind) mockapi.Fault { return mockapi.Fault{Kind: kind, At: []int{n}} }
	for _, tc := range []struct {
		want   string // the beginning of the error
		change func(*mockapi.Config)
	}{
		{"events: -1", func(c *mockapi.Config) { c.Events = -1 }},
		{"events: 1000000001", func(c *mockapi.Config) { c.Events = 1_000_000_001 }},
		{"api-key: ", func(c *mockapi.Config) { c.APIKey = "" }},
		{"rate-limit: -1", func(c *mockapi.Config) { c.RateLimit = -1 }},
		{"rate-window: 0s", func(c *mockapi.Config) { c.RateWindow = 0 }},
		{"cursor-ttl: 0s", func(c *mockapi.Config) { c.CursorTTL = 0 }},
		{"latency: 1h0m0s", func(c *mockapi.Config) { c.Latency = time.Hour }},
		{`envelope: "round"`, func(c *mockapi.Config) { c.Envelope = "round" }},
		{"default-limit: 5001", func(c *mockapi.Config) { c.DefaultLimit = 5001 }},
		{"max-limit: 0", func(c *mockapi.Config) { c.MaxLimit = 0 }},
		{"journal-limit: -1", func(c *mockapi.Config) { c.JournalLimit = -1 }},
		{`fault: "418"`, func(c *mockapi.Config) { c.Faults = []mockapi.Fault{forRequest(1, "418")} }},
		{"fault: 500 needs", func(c *mockapi.Config) { c.Faults = []mockapi.Fault{{Kind: "500"}} }},
		{"fault: 500 has request numbers and a probability", func(c *mockapi.Config) {
			c.Faults = []mockapi.Fault{{Kind: "500", At: []int{1}, Probability: 1}}
		}},
		{"fault: request 7 cannot", func(c *mockapi.Config) {
			c.Faults = []mockapi.Fault{forRequest(7, "500"), forRequest(7, "503")}
		}},
		{"fault: the probabilities", func(c *mockapi.Config) {
			c.Faults = []mockapi.Fault{{Kind: "500", Probability: .6}, {Kind: "503", Probability: .6}}
		}},
	} {
		cfg := mockapi.DefaultConfig()
		tc.change(&cfg)
		srv, err := mockapi.New(cfg)
		if err == nil || !strings.HasPrefix(err.Error(), "mockapi: "+tc.want) {
			t.Errorf("got error %v, want one that begins with %q", err, "mockapi: "+tc.want)
		}
		if srv != nil {
			t.Errorf("%s: got a server, want nil", tc.want)
		}
	}
}

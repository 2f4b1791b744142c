package mockapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

func TestNewInvalidConfig(t *testing.T) {
	at := func(kind mockapi.FaultKind, n int) mockapi.Fault { return mockapi.Fault{Kind: kind, At: []int{n}} }
	for _, tc := range []struct {
		want   string
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
		{`fault: "418"`, func(c *mockapi.Config) { c.Faults = []mockapi.Fault{at("418", 1)} }},
		{"fault: 500 needs", func(c *mockapi.Config) { c.Faults = []mockapi.Fault{{Kind: "500"}} }},
		{"fault: 500 has request numbers and a probability", func(c *mockapi.Config) { c.Faults = []mockapi.Fault{{Kind: "500", At: []int{1}, Probability: 1}} }},
		{"fault: request 7 cannot", func(c *mockapi.Config) { c.Faults = []mockapi.Fault{at("500", 7), at("503", 7)} }},
		{"fault: the probabilities", func(c *mockapi.Config) {
			c.Faults = []mockapi.Fault{{Kind: "500", Probability: .6}, {Kind: "503", Probability: .6}}
		}},
	} {
		cfg := mockapi.DefaultConfig()
		tc.change(&cfg)
		srv, err := mockapi.New(cfg)
		if err == nil || srv != nil || !strings.HasPrefix(err.Error(), "mockapi: "+tc.want) {
			t.Errorf("want %q, got %v", tc.want, err)
		}
	}
}

package mockapi

import "strings"

// An endpoint is what a counted request asks.
type endpoint string

const (
	events   endpoint = "events"
	lookUp   endpoint = "event" // one event by its id
	sessions endpoint = "sessions"
	metrics  endpoint = "metrics"
)

// The limits of the buckets beside that of events, in requests per window [R].
const (
	sessionsLimit = 40
	metricsLimit  = 30
)

// route finds the endpoint of a path below the base, and the id that it names.
func route(path string) (where endpoint, id string, found bool) {
	if where := endpoint(path); where == events || where == sessions || where == metrics {
		return where, "", true
	}
	if id, ok := strings.CutPrefix(path, string(events)+"/"); ok && id != "" && !strings.Contains(id, "/") {
		return lookUp, id, true
	}
	return "", "", false
}

// bucket is the endpoint whose limit a request counts against: a look-up counts as the list does [R].
func (e endpoint) bucket() endpoint {
	if e == lookUp {
		return events
	}
	return e
}

// limit is the number of requests in a window of the bucket, 0 for none.
func (e endpoint) limit(c *Scenario) int {
	switch bucket := e.bucket(); {
	case c.RateLimit == 0:
		return 0
	case bucket == sessions:
		return sessionsLimit
	case bucket == metrics:
		return metricsLimit
	default:
		return c.RateLimit
	}
}

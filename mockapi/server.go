package mockapi

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// BasePath is the path of the API. A client's base URL ends in it, without a final slash.
	BasePath = "/api/v1"
	// AdminPath is the path of the mock's own endpoints. They need no key and are not counted.
	AdminPath = "/_mock"
)

// A Server is one mocked service and an [http.Handler]. It is safe for concurrent use and starts no goroutine.
type Server struct {
	cfg           Config
	data          dataset // its n stays 0, because each request uses the size at its arrival
	journal       *Journal
	requestRandom randomSequence // contains a random number for each request number
	buffers       sync.Pool      // contains *[]byte for bodies
	typeCounts    typeCounter    // counts events for the parameter type

	mu            sync.Mutex // guards the fields below, and gives concurrent requests an order
	plan          *plan
	size          int                    // the size of the collection
	arrived       int                    // the number of counted requests so far
	buckets       map[endpoint]*limiter  // by the endpoint whose limit applies, see endpoint.bucket
	retryAt       map[endpoint]time.Time // for each bucket, the latest time until which a 429 asked to wait
	recentCursors [2]string              // the last two different cursors of requests, newest first
}

// New returns a Server for cfg. The error names the invalid setting by its flag in cmd/mockapi.
func New(cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("mockapi: %w", err)
	}
	plan, err := makePlan(cfg.Seed, cfg.Events, cfg.Scenario)
	if err != nil {
		return nil, fmt.Errorf("mockapi: %w", err)
	}
	return &Server{
		cfg:           cfg,
		data:          newDataset(cfg.Seed),
		journal:       newJournal(cfg.JournalLimit),
		requestRandom: newRandomSequence(cfg.Seed, "requests"),
		buffers:       sync.Pool{New: func() any { return new([]byte) }},
		plan:          plan,
		size:          cfg.Events,
		buckets:       map[endpoint]*limiter{eventsEndpoint: {}, sessionsEndpoint: {}, metricsEndpoint: {}},
		retryAt:       map[endpoint]time.Time{},
	}, nil
}

// Journal returns the journal of all requests. It is the same journal on every call.
func (s *Server) Journal() *Journal { return s.journal }

// ServeHTTP serves the API below [BasePath] and the admin endpoints below [AdminPath]. Any other path gets the
// dashboard's HTML with status 200, as the live service does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case path == BasePath || path == BasePath+"/":
		s.serveEndpointList(w, r)
	case strings.HasPrefix(path, BasePath+"/"):
		target, id, found := parseRoute(strings.TrimPrefix(path, BasePath+"/"))
		if !found {
			sendError(w, r, unknownEndpointError())
			return
		}
		s.serveEndpoint(w, r, target, id)
	case path == AdminPath, strings.HasPrefix(path, AdminPath+"/"):
		s.serveAdmin(w, r)
	default:
		send(w, r, http.StatusOK, typeHTML, []byte(dashboardBody))
	}
}

// serveEndpointList lists the endpoints. The mock decides the form of the list, and that it needs no key [?]. The marks [?]
// and [R] are explained in doc.go.
func (s *Server) serveEndpointList(w http.ResponseWriter, r *http.Request) {
	send(w, r, http.StatusOK, typeJSON, marshal(map[string]any{
		"name":    "DataSync Analytics API",
		"version": "v1",
		"endpoints": []string{
			"GET " + BasePath + "/events", "GET " + BasePath + "/events/{id}", "GET " + BasePath + "/sessions", "GET " + BasePath + "/metrics",
		},
	}))
}

// An endpoint is one of the endpoints that need a key and count against a rate limit.
type endpoint string

const (
	eventsEndpoint   endpoint = "events"
	eventEndpoint    endpoint = "event" // /events/{id}, the look-up of one event
	sessionsEndpoint endpoint = "sessions"
	metricsEndpoint  endpoint = "metrics"
)

// parseRoute parses a path below BasePath. The id is set for eventEndpoint only.
func parseRoute(path string) (target endpoint, id string, found bool) {
	target = endpoint(path)
	isList := target == eventsEndpoint || target == sessionsEndpoint || target == metricsEndpoint
	if isList {
		return target, "", true
	}
	id, isBelowEvents := strings.CutPrefix(path, string(eventsEndpoint)+"/")
	isID := id != "" && !strings.Contains(id, "/")
	if isBelowEvents && isID {
		return eventEndpoint, id, true
	}
	return "", "", false
}

// bucket returns the endpoint whose rate limit applies. A look-up of an event by its id counts against the limit of /events
// [R]. All other endpoints have limits of their own.
func (e endpoint) bucket() endpoint {
	if e == eventEndpoint {
		return eventsEndpoint
	}
	return e
}

// The rate limits of /sessions and /metrics, in requests per window [R].
const (
	sessionsLimit = 40
	metricsLimit  = 30
)

// limit returns the number of requests that a window allows, or 0 if there is no limit.
func (e endpoint) limit(scenario *Scenario) int {
	switch bucket := e.bucket(); {
	case scenario.RateLimit == 0:
		return 0
	case bucket == sessionsEndpoint:
		return sessionsLimit
	case bucket == metricsEndpoint:
		return metricsLimit
	default:
		return scenario.RateLimit
	}
}

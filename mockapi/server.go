package mockapi

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// BasePath is where the API begins: a base URL ends in it, without a slash.
	BasePath = "/api/v1"
	// AdminPath is where the mock answers for itself, uncounted and without a key.
	AdminPath = "/_mock"
)

// A Server is one mocked service and an http.Handler. It is safe for concurrent use, and has no goroutine to stop.
type Server struct {
	cfg           Config
	data          dataset // of any size: a request sees as much of it as there was when it arrived
	journal       *Journal
	requestRandom randomSequence
	buffers       sync.Pool // of *[]byte, bodies of pages
	typeCounts    typeCounter

	mu            sync.Mutex // guards what follows: what a request meets is decided by its place in one row
	plan          *plan
	size          int // of the collection
	arrived       int
	buckets       map[endpoint]*limiter
	retryAt       map[endpoint]time.Time // by bucket, the latest moment to which a 429 asked to wait
	recentCursors [2]string              // the last two different cursors, the latest first
}

// New makes a service from its configuration. The error names the setting by its flag in cmd/mockapi.
func New(cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("mockapi: %w", err)
	}
	plan, err := newPlan(cfg.Seed, cfg.Events, cfg.Scenario)
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

// Journal is what was asked and answered so far.
func (s *Server) Journal() *Journal { return s.journal }

// ServeHTTP answers the API below [BasePath] and the harness below [AdminPath]. Any other path gets the dashboard's HTML
// with status 200, as it does live.
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
	case strings.HasPrefix(path, AdminPath+"/"):
		s.serveAdmin(w, r)
	default:
		send(w, r, http.StatusOK, typeHTML, []byte(dashboardBody))
	}
}

// serveEndpoints lists what there is. The shape of the list is a decision [?], and so is that it needs no key.
func (s *Server) serveEndpointList(w http.ResponseWriter, r *http.Request) {
	send(w, r, http.StatusOK, typeJSON, marshal(map[string]any{
		"name":    "DataSync Analytics API",
		"version": "v1",
		"endpoints": []string{
			"GET " + BasePath + "/events", "GET " + BasePath + "/events/{id}", "GET " + BasePath + "/sessions", "GET " + BasePath + "/metrics",
		},
	}))
}

// An endpoint is what a counted request asks.
type endpoint string

const (
	eventsEndpoint   endpoint = "events"
	eventEndpoint    endpoint = "event" // one event by its id
	sessionsEndpoint endpoint = "sessions"
	metricsEndpoint  endpoint = "metrics"
)

// The limits of the buckets beside that of events, in requests per window [R].
const (
	sessionsLimit = 40
	metricsLimit  = 30
)

// route finds the endpoint of a path below the base, and the id that it names.
func parseRoute(path string) (target endpoint, id string, found bool) {
	if target := endpoint(path); target == eventsEndpoint || target == sessionsEndpoint || target == metricsEndpoint {
		return target, "", true
	}
	if id, ok := strings.CutPrefix(path, string(eventsEndpoint)+"/"); ok && id != "" && !strings.Contains(id, "/") {
		return eventEndpoint, id, true
	}
	return "", "", false
}

// bucket is the endpoint whose limit a request counts against: a look-up counts as the list does [R].
func (e endpoint) bucket() endpoint {
	if e == eventEndpoint {
		return eventsEndpoint
	}
	return e
}

// limit is the number of requests in a window of the bucket, 0 for none.
func (e endpoint) limit(c *Scenario) int {
	switch bucket := e.bucket(); {
	case c.RateLimit == 0:
		return 0
	case bucket == sessionsEndpoint:
		return sessionsLimit
	case bucket == metricsEndpoint:
		return metricsLimit
	default:
		return c.RateLimit
	}
}

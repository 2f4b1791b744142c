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
	cfg      Config
	data     dataset
	scenario scenario
	journal  *Journal
	requests draw
	buffers  sync.Pool // of *[]byte, bodies of pages

	mu        sync.Mutex // guards what follows: what a request meets is decided by its place in one row
	arrived   int
	limiter   limiter
	waitUntil time.Time // the latest moment to which a 429 asked to wait
}

// New makes a service from its configuration. The error names the setting by its flag in cmd/mockapi.
func New(cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("mockapi: %w", err)
	}
	scenario, err := newScenario(cfg.Seed, cfg.Faults)
	if err != nil {
		return nil, fmt.Errorf("mockapi: %w", err)
	}
	return &Server{
		cfg:      cfg,
		data:     newDataset(cfg.Seed, cfg.Events),
		scenario: scenario,
		journal:  newJournal(cfg.JournalLimit),
		requests: newDraw(cfg.Seed, "requests"),
		buffers:  sync.Pool{New: func() any { return new([]byte) }},
		limiter:  limiter{limit: cfg.RateLimit, length: cfg.RateWindow},
	}, nil
}

// Truth is what a database must hold in the end.
func (s *Server) Truth() Truth { return Truth{data: s.data} }

// Journal is what was asked and answered so far.
func (s *Server) Journal() *Journal { return s.journal }

// ServeHTTP answers the API below [BasePath] and the harness below [AdminPath]. Any other path gets the dashboard's HTML
// with status 200, as it does live.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case path == BasePath+"/events":
		s.serveEvents(w, r)
	case path == BasePath || path == BasePath+"/":
		s.serveEndpoints(w, r)
	case strings.HasPrefix(path, BasePath+"/"):
		refuse(w, r, refusal{http.StatusNotFound, "ENDPOINT_NOT_FOUND", "No such endpoint"})
	case strings.HasPrefix(path, AdminPath+"/"):
		s.serveAdmin(w, r)
	default:
		send(w, r, http.StatusOK, typeHTML, []byte(dashboardBody))
	}
}

// serveEndpoints lists what there is. The shape of the list is a decision [?], and so is that it needs no key.
func (s *Server) serveEndpoints(w http.ResponseWriter, r *http.Request) {
	send(w, r, http.StatusOK, typeJSON, marshal(map[string]any{
		"name":      "DataSync Analytics API",
		"version":   "v1",
		"endpoints": []string{"GET " + BasePath + "/events"},
	}))
}

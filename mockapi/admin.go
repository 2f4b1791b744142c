package mockapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	typeNDJSON = "application/x-ndjson"
	// maxWait bounds a long poll; a longer wait is cut to it.
	maxWait = time.Minute
	// truthBatch is how many rows are sent under one deadline.
	truthBatch = 1000
)

// serveAdmin is for the harness: it needs no key, counts against no limit and is in no journal.
func (s *Server) serveAdmin(w http.ResponseWriter, r *http.Request) {
	var err error
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		refuse(w, r, refusal{http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "Only GET and HEAD are served"})
	case r.URL.Path == AdminPath+"/journal":
		err = s.serveJournal(w, r)
	case r.URL.Path == AdminPath+"/journal/summary":
		send(w, r, http.StatusOK, typeJSON, marshal(s.journal.Summary()))
	case r.URL.Path == AdminPath+"/truth":
		err = s.serveTruth(w, r)
	case r.URL.Path == AdminPath+"/config":
		send(w, r, http.StatusOK, typeJSON, s.describe())
	default:
		refuse(w, r, refusal{http.StatusNotFound, "ENDPOINT_NOT_FOUND", "No such endpoint"})
	}
	if err != nil {
		refuse(w, r, refusal{http.StatusBadRequest, "INVALID_QUERY", err.Error()})
	}
}

// serveJournal answers the entries with seq > after, one JSON object a line. With wait it answers as soon as there is one,
// and with none when the wait is over.
func (s *Server) serveJournal(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	after, err := number(query, "after", 0)
	if err != nil {
		return err
	}
	wait, err := duration(query, "wait")
	if err != nil {
		return err
	}
	entries := s.journal.After(after)
	if len(entries) == 0 && wait > 0 {
		ctx, cancel := context.WithTimeout(r.Context(), min(wait, maxWait))
		defer cancel()
		// Its only error is that the wait is over.
		entries, _ = s.journal.Wait(ctx, after)
	}
	var body []byte
	for _, e := range entries {
		body = append(append(body, marshal(e)...), '\n')
	}
	send(w, r, http.StatusOK, typeNDJSON, body)
	return nil
}

// serveTruth streams the expected rows, one JSON object a line: limit of them from index from, without a limit all.
// It ends early when the client goes away or reads nothing for a minute.
func (s *Server) serveTruth(w http.ResponseWriter, r *http.Request) error {
	from, err := number(r.URL.Query(), "from", 0)
	if err != nil {
		return err
	}
	limit, err := number(r.URL.Query(), "limit", s.data.n)
	if err != nil {
		return err
	}
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", typeNDJSON)
	buffer := bufio.NewWriterSize(w, 64<<10)
	lines := json.NewEncoder(buffer)
	lines.SetEscapeHTML(false)
	for i, row := range s.Truth().Rows(from, from+min(limit, s.data.n)) {
		if (i-from)%truthBatch == 0 {
			_ = out.SetWriteDeadline(time.Now().Add(sendTimeout))
		}
		if r.Context().Err() != nil || lines.Encode(row.columns()) != nil {
			panic(http.ErrAbortHandler) // a truth cut short must not look like a whole one
		}
	}
	_ = buffer.Flush() // whoever would be told of an error is gone
	return nil
}

// describe is the configuration but for the key.
func (s *Server) describe() []byte {
	faults := make([]string, len(s.cfg.Faults))
	for i, f := range s.cfg.Faults {
		faults[i] = f.String()
	}
	return marshal(map[string]any{
		"events":        s.cfg.Events,
		"seed":          s.cfg.Seed,
		"rate_limit":    s.cfg.RateLimit,
		"rate_window":   s.cfg.RateWindow.String(),
		"cursor_ttl":    s.cfg.CursorTTL.String(),
		"latency":       s.cfg.Latency.String(),
		"envelope":      s.cfg.Envelope,
		"default_limit": s.cfg.DefaultLimit,
		"max_limit":     s.cfg.MaxLimit,
		"journal_limit": s.cfg.JournalLimit,
		"faults":        faults,
	})
}

func number(query url.Values, name string, otherwise int) (int, error) {
	if !query.Has(name) {
		return otherwise, nil
	}
	n, err := strconv.Atoi(query.Get(name))
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s: %q is not a number from 0", name, query.Get(name))
	}
	return n, nil
}

func duration(query url.Values, name string) (time.Duration, error) {
	if !query.Has(name) {
		return 0, nil
	}
	d, err := time.ParseDuration(query.Get(name))
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%s: %q is not a duration such as 5s", name, query.Get(name))
	}
	return d, nil
}

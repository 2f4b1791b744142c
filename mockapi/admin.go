package mockapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	typeNDJSON = "application/x-ndjson"
	typeText   = "text/plain; charset=utf-8"
	// redirectPath is the target of the fault "redirect".
	redirectPath = AdminPath + "/elsewhere"
	// maxWait is the maximum time of a long poll of the journal. A longer wait is reduced to it.
	maxWait = time.Minute
	// maxScenarioBytes is the maximum size of the JSON of a scenario.
	maxScenarioBytes = 1 << 20
)

// adminIndex lists the admin endpoints.
const adminIndex = `mockapi: the endpoints below /_mock, for tests; they need no key

GET    /_mock/journal?after=SEQ&limit=N&wait=5s   the requests and their responses, one JSON object a line
DELETE /_mock/journal                             clears the journal
GET    /_mock/journal/summary                     the totals of the journal
GET    /_mock/truth?from=N&limit=N                the expected result for each record
GET    /_mock/config                              the settings
GET    /_mock/scenario                            the scenario
PUT    /_mock/scenario                            replaces the scenario
POST   /_mock/scenario                            changes the scenario
`

// serveAdmin serves the admin endpoints, which are for tests. They need no key and have no rate limit. The journal does not
// contain their requests.
func (s *Server) serveAdmin(w http.ResponseWriter, r *http.Request) {
	var err error
	isRead := r.Method == http.MethodGet || r.Method == http.MethodHead
	isChange := r.Method == http.MethodPut || r.Method == http.MethodPost
	switch path := r.URL.Path; {
	case path == AdminPath+"/scenario" && isChange:
		err = s.changeScenario(w, r)
	case path == AdminPath+"/journal" && r.Method == http.MethodDelete:
		s.journal.Clear()
		w.WriteHeader(http.StatusNoContent)
	case !isRead:
		sendError(w, r, methodError())
	case path == AdminPath, path == AdminPath+"/":
		send(w, r, http.StatusOK, typeText, []byte(adminIndex))
	case path == AdminPath+"/scenario":
		send(w, r, http.StatusOK, typeJSON, marshal(s.Scenario()))
	case path == AdminPath+"/config":
		send(w, r, http.StatusOK, typeJSON, s.configJSON())
	case path == AdminPath+"/journal":
		err = s.serveJournal(w, r)
	case path == AdminPath+"/journal/summary":
		send(w, r, http.StatusOK, typeJSON, marshal(s.journal.Summary()))
	case path == AdminPath+"/truth":
		err = s.serveTruth(w, r)
	case path == redirectPath:
		s.serveRedirectTarget(w, r)
	default:
		sendError(w, r, unknownEndpointError())
	}
	if err != nil {
		sendError(w, r, &apiError{status: http.StatusBadRequest, code: "INVALID_QUERY", message: err.Error()})
	}
}

// changeScenario changes the scenario by the JSON in the body. POST changes the current scenario. PUT first resets all
// settings except the number of events to their defaults. The response is the new scenario.
func (s *Server) changeScenario(w http.ResponseWriter, r *http.Request) error {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxScenarioBytes))
	if err != nil {
		return fmt.Errorf("scenario: %w", err)
	}
	err = s.Change(func(scenario *Scenario) error {
		if r.Method == http.MethodPut {
			events := scenario.Events
			*scenario = DefaultScenario()
			scenario.Events = events
		}
		return json.Unmarshal(text, scenario)
	})
	if err != nil {
		return err
	}
	send(w, r, http.StatusOK, typeJSON, marshal(s.Scenario()))
	return nil
}

// serveJournal serves the entries whose seq is greater than the parameter after, one JSON object per line. If there are
// none and the parameter wait is given, serveJournal waits for the next entry. If none is added within the time wait, the
// response has no lines. The parameter limit is the maximum number of entries, the oldest first.
func (s *Server) serveJournal(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	after, err := countParam(query, "after", 0)
	if err != nil {
		return err
	}
	limit, err := countParam(query, "limit", math.MaxInt)
	if err != nil {
		return err
	}
	wait, err := durationParam(query, "wait")
	if err != nil {
		return err
	}
	entries := s.journal.After(after)
	if len(entries) == 0 && wait > 0 {
		ctx, cancel := context.WithTimeout(r.Context(), min(wait, maxWait))
		defer cancel()
		entries, _ = s.journal.Wait(ctx, after) // fails only if ctx ends; entries is then empty
	}
	var body []byte
	for _, entry := range entries[:min(limit, len(entries))] {
		body = append(body, marshal(entry)...)
		body = append(body, '\n')
	}
	send(w, r, http.StatusOK, typeNDJSON, body)
	return nil
}

// serveRedirectTarget serves the target of the fault "redirect". It counts the request and responds with an empty last
// page, which a client must not accept.
func (s *Server) serveRedirectTarget(w http.ResponseWriter, r *http.Request) {
	hasKey := r.Header.Get("X-API-Key") != ""
	s.journal.countFollowed(hasKey)
	send(w, r, http.StatusOK, typeJSON, []byte(emptyPageHead+emptyPageTail))
}

// configJSON returns the JSON of the configuration without the key.
func (s *Server) configJSON() []byte {
	return marshal(struct {
		scenarioJSON
		Seed         uint64 `json:"seed"`
		DefaultLimit int    `json:"default_limit"`
		MaxLimit     int    `json:"max_limit"`
		JournalLimit int    `json:"journal_limit"`
	}{
		scenarioJSON: s.Scenario().toJSON(),
		Seed:         s.cfg.Seed,
		DefaultLimit: s.cfg.DefaultLimit,
		MaxLimit:     s.cfg.MaxLimit,
		JournalLimit: s.cfg.JournalLimit,
	})
}

// truthBatch is the number of rows after which serveTruth sets the write deadline of the response again.
const truthBatch = 1000

// serveTruth streams the expected rows, one JSON object per line. It aborts the response if the client disconnects or reads
// nothing for sendTimeout. The parameters are:
//
//	from     the first index, default 0
//	limit    the number of indices, default all
//	size     the size of the collection, default the current size
//	outcome  a list of outcomes, default all; other rows are left out
func (s *Server) serveTruth(w http.ResponseWriter, r *http.Request) error {
	truth := s.Truth()
	size, errSize := countParam(r.URL.Query(), "size", truth.Len())
	truth = truth.At(size)
	from, errFrom := countParam(r.URL.Query(), "from", 0)
	limit, errLimit := countParam(r.URL.Query(), "limit", truth.Len())
	outcomes, errOutcome := parseOutcomes(r.URL.Query().Get("outcome"))
	for _, err := range []error{errSize, errFrom, errLimit, errOutcome} {
		if err != nil {
			return err
		}
	}
	limit = min(limit, truth.Len()) // so that the sum of from and a very large limit does not overflow
	controller := http.NewResponseController(w)
	w.Header().Set("Content-Type", typeNDJSON)
	buffer := bufio.NewWriterSize(w, 64<<10)
	lines := json.NewEncoder(buffer)
	lines.SetEscapeHTML(false)
	for i, row := range truth.Rows(from, from+limit) {
		if (i-from)%truthBatch == 0 {
			_ = controller.SetWriteDeadline(time.Now().Add(sendTimeout))
		}
		err := r.Context().Err()
		if err == nil && slices.Contains(outcomes, row.Outcome) {
			err = lines.Encode(row.jsonValue())
		}
		if err != nil {
			panic(http.ErrAbortHandler) // so that the client notices that rows are missing
		}
	}
	_ = buffer.Flush() // fails only if the client has disconnected
	return nil
}

// parseOutcomes parses a list like "stored,drifted". An empty list means all outcomes.
func parseOutcomes(list string) ([]Outcome, error) {
	all := []Outcome{Stored, Drifted, Parked, Duplicate}
	if list == "" {
		return all, nil
	}
	var outcomes []Outcome
	for name := range strings.SplitSeq(list, ",") {
		if !slices.Contains(all, Outcome(name)) {
			return nil, fmt.Errorf("outcome: %q is not one of %s", name, strings.Join(toStrings(all), ", "))
		}
		outcomes = append(outcomes, Outcome(name))
	}
	return outcomes, nil
}

// countParam parses a query parameter that is a number >= 0. It returns defaultValue if the parameter is missing.
func countParam(query url.Values, name string, defaultValue int) (int, error) {
	if !query.Has(name) {
		return defaultValue, nil
	}
	n, err := strconv.Atoi(query.Get(name))
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s: %q is not a whole number >= 0", name, query.Get(name))
	}
	return n, nil
}

// durationParam parses a query parameter that is a duration >= 0. It returns 0 if the parameter is missing.
func durationParam(query url.Values, name string) (time.Duration, error) {
	if !query.Has(name) {
		return 0, nil
	}
	d, err := time.ParseDuration(query.Get(name))
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%s: %q is not a duration such as 5s", name, query.Get(name))
	}
	return d, nil
}

package mockapi

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// truthBatch is how many rows are sent under one deadline.
const truthBatch = 1000

// serveTruth streams the expected rows, one JSON object a line: limit of them from index from, without a limit all; of a
// collection of size events; only those with an outcome in a list. It ends early when the client goes away or reads nothing
// for a minute.
func (s *Server) serveTruth(w http.ResponseWriter, r *http.Request) error {
	truth := s.Truth()
	size, errSize := number(r.URL.Query(), "size", truth.Len())
	truth = truth.At(size)
	from, errFrom := number(r.URL.Query(), "from", 0)
	limit, errLimit := number(r.URL.Query(), "limit", truth.Len())
	outcomes, errOutcome := parseOutcomes(r.URL.Query().Get("outcome"))
	for _, err := range []error{errSize, errFrom, errLimit, errOutcome} {
		if err != nil {
			return err
		}
	}
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", typeNDJSON)
	buffer := bufio.NewWriterSize(w, 64<<10)
	lines := json.NewEncoder(buffer)
	lines.SetEscapeHTML(false)
	for i, row := range truth.Rows(from, from+min(limit, truth.Len())) {
		if (i-from)%truthBatch == 0 {
			_ = out.SetWriteDeadline(time.Now().Add(sendTimeout))
		}
		wanted := slices.Contains(outcomes, row.Outcome)
		if r.Context().Err() != nil || wanted && lines.Encode(row.line()) != nil {
			panic(http.ErrAbortHandler) // a truth cut short must not look like a whole one
		}
	}
	_ = buffer.Flush() // whoever would be told of an error is gone
	return nil
}

// parseOutcomes reads a list such as stored,drifted; an empty one is all.
func parseOutcomes(list string) ([]Outcome, error) {
	all := []Outcome{Stored, Drifted, Parked, Duplicate}
	if list == "" {
		return all, nil
	}
	var outcomes []Outcome
	for name := range strings.SplitSeq(list, ",") {
		if !slices.Contains(all, Outcome(name)) {
			return nil, fmt.Errorf("outcome: %q is none of %s", name, strings.Join(texts(all), ", "))
		}
		outcomes = append(outcomes, Outcome(name))
	}
	return outcomes, nil
}

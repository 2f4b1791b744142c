package mockapi_test

import (
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pawldata/pawl/mockapi"
)

// TestParseFault checks that String returns the parsed text, and that invalid texts get an error. String writes a range as a
// list of its numbers.
func TestParseFault(t *testing.T) {
	for spec, want := range map[string]string{
		"503@7":        "503@7",
		"429@3,12":     "429@3,12",
		"500:0.05":     "500:0.05",
		"reset-body@1": "reset-body@1",
		"expired:1":    "expired:1",
		"500@7-9,11":   "500@7,8,9,11",
	} {
		fault, err := mockapi.ParseFault(spec)
		if err != nil || fault.String() != want {
			t.Errorf("%s: got %s, %v, want %s", spec, fault, err, want)
		}
	}
	for _, spec := range []string{
		"", "503", // no numbers and no probability
		"503@", "503@0", "503@-1", "503@x", "503@9-7", "503@1-99999999", // wrong numbers
		"503:", "503:0", "503:1.1", "503:NaN", // wrong probabilities
		"418@1", "@1", // wrong kinds
	} {
		if fault, err := mockapi.ParseFault(spec); err == nil || !strings.HasPrefix(err.Error(), "fault: ") {
			t.Errorf("%q: got %+v, error %v, want an error that begins with fault:", spec, fault, err)
		}
	}
}

// TestFaultNumbers checks that the requests with the numbers of a rule get its fault. It checks the responses, the entries
// and the summary. A request with a wrong key has no number.
func TestFaultNumbers(t *testing.T) {
	srv := newFaultyServer(t, "503@2", "429@3,5", "500@7-8")
	wantError(t, call(t, srv, http.MethodGet, firstEventPath, "wrong key"), http.StatusForbidden, "FORBIDDEN")
	statuses := getStatuses(t, srv, 9)
	if want := []int{200, 503, 429, 200, 429, 200, 500, 500, 200}; !slices.Equal(statuses, want) {
		t.Fatalf("got statuses %v, want %v", statuses, want)
	}
	var kinds []mockapi.FaultKind
	for _, e := range allEntries(srv) {
		kinds = append(kinds, e.Fault)
	}
	if want := []mockapi.FaultKind{"", "503", "429", "", "429", "", "500", "500", ""}; !slices.Equal(kinds, want) {
		t.Errorf("got faults %q in the journal, want %q", kinds, want)
	}
	counts := srv.Journal().Summary().Faults
	if want := (map[mockapi.FaultKind]int{"503": 1, "429": 2, "500": 2}); !maps.Equal(counts, want) {
		t.Errorf("got faults %v in the summary, want %v", counts, want)
	}
}

// TestFaultNumbersAllEndpoints checks that the requests to all endpoints have numbers. Every second request gets the fault.
func TestFaultNumbersAllEndpoints(t *testing.T) {
	srv := newFaultyServer(t, "500@2,4,6")
	for _, paths := range [][2]string{{"/events", "/sessions"}, {"/metrics", "/events/x"}, {"/events", "/events"}} {
		withoutFault := get(t, srv, mockapi.BasePath+paths[0])
		if withoutFault.Code != http.StatusOK {
			t.Errorf("%s: got status %d, want 200", paths[0], withoutFault.Code)
		}
		withFault := get(t, srv, mockapi.BasePath+paths[1])
		if withFault.Code != http.StatusInternalServerError {
			t.Errorf("%s: got status %d, want 500", paths[1], withFault.Code)
		}
	}
}

// TestFaultProbability checks that a rule with a probability selects about that part of the requests, and the same requests on
// each server with the same seed. Such a rule does not apply to a request whose number another rule lists.
func TestFaultProbability(t *testing.T) {
	const requests = 4000
	rules := []string{"500:0.2", "503:0.1", "429@1-3"}
	statuses := getStatuses(t, newFaultyServer(t, rules...), requests)
	if !slices.Equal(statuses, getStatuses(t, newFaultyServer(t, rules...), requests)) {
		t.Error("got other faults from a second server, want the same faults for the same seed")
	}
	count := map[int]int{} // by status
	for _, status := range statuses {
		count[status]++
	}
	if !slices.Equal(statuses[:3], []int{429, 429, 429}) || count[429] != 3 {
		t.Errorf("got first statuses %v and %d times 429, want 429 for the first three requests only", statuses[:3], count[429])
	}
	for status, want := range map[int]float64{500: 0.2, 503: 0.1} {
		frequency := float64(count[status]) / requests
		if math.Abs(frequency-want) > 0.03 {
			t.Errorf("got frequency %.3f of status %d, want about %.1f", frequency, status, want)
		}
	}
}

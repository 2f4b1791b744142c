package mockapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pawldata/pawl/mockapi"
)

func TestParseFault(t *testing.T) {
	for _, spec := range []string{"503@7", "429@3,12", "500:0.05", "reset-body@1", "expired:1"} {
		fault, err := mockapi.ParseFault(spec)
		if err != nil || fault.String() != spec {
			t.Errorf("%s: %s, %v", spec, fault, err)
		}
	}
	if fault, err := mockapi.ParseFault("500@7-9,11"); err != nil || fault.String() != "500@7,8,9,11" {
		t.Errorf("a range: %s, %v", fault, err)
	}
	for _, spec := range []string{
		"", "503", "503@", "503@0", "503@-1", "503@x", "503@9-7", "503@1-99999999", "503:", "503:0", "503:1.1", "503:NaN", "418@1", "@1",
	} {
		if fault, err := mockapi.ParseFault(spec); err == nil || !strings.HasPrefix(err.Error(), "fault: ") {
			t.Errorf("%q: got %+v, %v", spec, fault, err)
		}
	}
}

func TestFaultNumbers(t *testing.T) {
	srv := newFaultyServer(t, "503@2", "429@3,5", "500@7-8")
	wantError(t, call(t, srv, "GET", eventsPath(1, ""), "wrong"), http.StatusForbidden, "FORBIDDEN") // is not numbered
	if got, want := getStatuses(t, srv, 9), []int{200, 503, 429, 200, 429, 200, 500, 500, 200}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	entries := srv.Journal().After(0)
	kinds := make([]string, 0, len(entries))
	for _, e := range entries {
		kinds = append(kinds, string(e.Fault))
	}
	if got := strings.Join(kinds, " "); got != " 503 429  429  500 500 " {
		t.Errorf("got kinds %q in the journal", got)
	}
	if f := srv.Journal().Summary().Faults; f["503"] != 1 || f["429"] != 2 || f["500"] != 2 || len(f) != 3 {
		t.Errorf("got summary %v", f)
	}
}

// Requests to all endpoints are numbered.
func TestFaultNumbersAllEndpoints(t *testing.T) {
	srv := newFaultyServer(t, "500@2,4,6")
	for n, path := range []string{"/events", "/sessions", "/metrics", "/events/x", "/events", "/events"} {
		rec := get(t, srv, mockapi.BasePath+path)
		if failed := rec.Code == http.StatusInternalServerError; failed != (n%2 == 1) {
			t.Errorf("request %d: got %d", n+1, rec.Code)
		}
	}
}

func TestFaultProbability(t *testing.T) {
	const n = 4000
	first := getStatuses(t, newFaultyServer(t, "500:0.2", "503:0.1", "429@1-3"), n)
	if !slices.Equal(first, getStatuses(t, newFaultyServer(t, "500:0.2", "503:0.1", "429@1-3"), n)) {
		t.Error("the same seed gave other faults")
	}
	count := map[int]int{}
	for _, status := range first {
		count[status]++
	}
	if !slices.Equal(first[:3], []int{429, 429, 429}) || count[429] != 3 {
		t.Errorf("got %v and %d times 429, want 429 for the listed numbers only", first[:3], count[429])
	}
	if count[500] < n*17/100 || count[500] > n*23/100 || count[503] < n*8/100 || count[503] > n*12/100 {
		t.Errorf("got %v of %d, want a fifth and a tenth", count, n)
	}
}

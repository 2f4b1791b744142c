package mockapi_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

// TestScenarioChange checks that POST changes only the settings in its body, that PUT resets the others to their defaults,
// and that the numbers of requests continue.
func TestScenarioChange(t *testing.T) {
	srv := newFaultyServer(t, "500@1-2")
	statuses := getStatuses(t, srv, 1)
	if rec := sendScenario(t, srv, http.MethodPost, `{"faults": ["503@3", "429@4"], "latency": "1ms"}`); rec.Code != 200 {
		t.Fatalf("got status %d, want 200: %s", rec.Code, rec.Body)
	}
	statuses = append(statuses, getStatuses(t, srv, 3)...) // requests 2 to 4; 500@1-2 does not apply any more
	sendScenario(t, srv, http.MethodPost, `{"faults": []}`)
	statuses = append(statuses, getStatuses(t, srv, 1)...) // request 5
	if want := []int{500, 200, 503, 429, 200}; !slices.Equal(statuses, want) {
		t.Errorf("got statuses %v, want %v", statuses, want)
	}
	afterPost := srv.Scenario()
	wantEqual(t, "Latency after POST", afterPost.Latency, time.Millisecond)
	wantEqual(t, "Events after POST", afterPost.Events, serverEvents)
	wantEqual(t, "RateLimit after POST", afterPost.RateLimit, 0)

	rec := sendScenario(t, srv, http.MethodPut, `{"rate_limit": 3}`)
	want := mockapi.DefaultScenario()
	want.Events, want.RateLimit = serverEvents, 3 // PUT keeps the number of events
	afterPut := srv.Scenario()
	afterPut.Faults, afterPut.Drifts = nil, nil // they are empty lists, but nil in want
	if !reflect.DeepEqual(afterPut, want) {
		t.Errorf("got scenario %+v after PUT, want %+v", afterPut, want)
	}
	wantEqual(t, "body of GET /scenario", getAdmin(t, srv, "/scenario").Body.String(), rec.Body.String()) // like that of PUT
	wantRateHeaders(t, get(t, srv, firstEventPath).Header(), rateHeaders{limit: "3", remaining: "2", reset: "60"})
}

// TestScenarioInvalid checks that an invalid change gets an error and changes nothing.
func TestScenarioInvalid(t *testing.T) {
	srv := newFaultyServer(t, "500@1")
	before := srv.Scenario()
	for body, want := range map[string]string{
		``:                                 "unexpected end",
		`{"fault": []}`:                    "unknown field",
		`[]`:                               "scenario: got a JSON array, want an object with settings",
		`{"latency": 5}`:                   "scenario: latency: a JSON number has the wrong type",
		`{"faults": "418@1"}`:              "scenario: faults: a JSON string has the wrong type",
		`{"faults": ["418@1"]}`:            "418",
		`{"faults": ["500@1", "503@1"]}`:   "request 1 cannot have both",
		`{"drifts": ["nul:0.6","nul:.6"]`:  "unexpected",
		`{"drifts": ["nul:1","bad-id:1"]}`: "add up to 2",
		`{"drifts": ["odd@1"]}`:            "odd",
		`{"latency": "-1s"}`:               "latency: -1s",
		`{"latency": "5"}`:                 "missing unit",
		`{"envelope": "round"}`:            "envelope: ",
		`{"rate_headers": "x"}`:            "rate-headers: ",
		`{"retry_after": "x"}`:             "retry-after: ",
		`{"events": -1}`:                   "events: -1",
		`{"grow": 9999999}`:                "grow: ",
		strings.Repeat(" ", 1<<20+1):       "too large", // 1 MiB is allowed
	} {
		rec := sendScenario(t, srv, http.MethodPost, body)
		wantError(t, rec, http.StatusBadRequest, "INVALID_QUERY")
		if !strings.Contains(decode[wireError](t, rec).Message, want) {
			t.Errorf("%.60q: got error %s, want one that contains %q", body, rec.Body, want)
		}
	}
	errChange := errors.New("error of the change")
	err := srv.Change(func(scenario *mockapi.Scenario) error {
		scenario.Events = 1
		return errChange
	})
	if !errors.Is(err, errChange) {
		t.Errorf("got error %v, want %v", err, errChange)
	}
	if after := srv.Scenario(); !reflect.DeepEqual(after, before) {
		t.Errorf("got scenario %+v\nwant the old one %+v", after, before)
	}
	wantError(t, sendScenario(t, srv, http.MethodDelete, ""), http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
}

// TestScenarioRequestInFlight checks that a request uses the scenario at its arrival, even if the scenario changes before the
// response.
func TestScenarioRequestInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, withLatency(5*time.Second))
		pages := make(chan wirePage)
		go func() { pages <- decode[wirePage](t, get(t, srv, eventsPath(5, noCursor))) }()
		synctest.Wait() // until the request waits for its response
		sendScenario(t, srv, http.MethodPost, `{"events": 2000, "drifts": ["not-an-object:1"], "envelope": "flat"}`)
		page := <-pages
		wantEqual(t, "total", page.Meta.Total, serverEvents)
		if len(page.Data) != 5 {
			t.Fatalf("got %d events, want 5", len(page.Data))
		}
		if page.Data[0].ID == "" {
			t.Error("got an event without an id, want an event that does not drift")
		}
	})
}

// TestScenarioJSONRoundTrip checks that decoding the JSON of a scenario gives the same scenario.
func TestScenarioJSONRoundTrip(t *testing.T) {
	original := mockapi.DefaultScenario()
	original.Faults = []mockapi.Fault{{Kind: "503", At: []int{7, 9}}, {Kind: "429", Probability: .25}}
	original.Drifts = []mockapi.Drift{{Kind: "nul", At: []int{0}}}
	original.Latency, original.Grow = 1500*time.Millisecond, 4
	text, err := json.Marshal(original)
	if err != nil {
		t.Fatal(err)
	}
	var decoded mockapi.Scenario
	if err := json.Unmarshal(text, &decoded); err != nil || !reflect.DeepEqual(decoded, original) {
		t.Errorf("got scenario %+v, %v, want %+v from %s", decoded, err, original, text)
	}
}

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

func TestScenarioChange(t *testing.T) {
	srv := newFaultyServer(t, "500@1-2")
	got := getStatuses(t, srv, 1)
	if rec := sendScenario(t, srv, http.MethodPost, `{"faults": ["503@3", "429@4"], "latency": "1ms"}`); rec.Code != 200 {
		t.Fatalf("got %d %s", rec.Code, rec.Body)
	}
	got = append(got, getStatuses(t, srv, 3)...) // the numbering continues
	sendScenario(t, srv, http.MethodPost, `{"faults": []}`)
	got = append(got, getStatuses(t, srv, 1)...)
	if want := []int{500, 200, 503, 429, 200}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if c := srv.Scenario(); c.Latency != time.Millisecond || c.Events != 1000 || c.RateLimit != 0 {
		t.Errorf("got %+v, want other settings unchanged by POST", c)
	}
	rec := sendScenario(t, srv, http.MethodPut, `{"rate_limit": 3}`)
	want := mockapi.DefaultScenario()
	want.Events, want.RateLimit = 1000, 3
	c := srv.Scenario()
	c.Faults, c.Drifts = nil, nil
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, want the default scenario with the current number of events", c)
	}
	if shown := get(t, srv, mockapi.AdminPath+"/scenario"); shown.Body.String() != rec.Body.String() || shown.Code != 200 {
		t.Errorf("shown %s, answered %s", shown.Body, rec.Body)
	}
	wantRateHeaders(t, get(t, srv, eventsPath(1, "")).Header(), "3", "2", "60")
}

func TestScenarioInvalid(t *testing.T) {
	srv := newFaultyServer(t, "500@1")
	before := srv.Scenario()
	for body, want := range map[string]string{
		``:                                 "unexpected end",
		`{"fault": []}`:                    `unknown field`,
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
		strings.Repeat(" ", 1<<20+1):       "too large",
	} {
		rec := sendScenario(t, srv, http.MethodPost, body)
		wantError(t, rec, http.StatusBadRequest, "INVALID_QUERY")
		if !strings.Contains(decode[wireError](t, rec).Message, want) {
			t.Errorf("%.60q: %s, want %q", body, rec.Body, want)
		}
	}
	if after := srv.Scenario(); !reflect.DeepEqual(after, before) {
		t.Errorf("%+v\nwas %+v", after, before)
	}
	failing := errors.New("no")
	if err := srv.Change(func(c *mockapi.Scenario) error { c.Events = 1; return failing }); !errors.Is(err, failing) || srv.Scenario().Events != 1000 {
		t.Errorf("%v, %+v", err, srv.Scenario())
	}
	wantError(t, sendScenario(t, srv, http.MethodDelete, ""), http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
}

// A request uses the scenario at its arrival.
func TestScenarioRequestInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, func(c *mockapi.Config) { c.Latency = 5 * time.Second })
		answered := make(chan wirePage)
		go func() { answered <- decode[wirePage](t, get(t, srv, eventsPath(5, ""))) }()
		synctest.Wait()
		sendScenario(t, srv, http.MethodPost, `{"events": 2000, "drifts": ["not-an-object:1"], "envelope": "flat"}`)
		if p := <-answered; p.Meta.Total != 1000 || len(p.Data) != 5 || p.Data[0].ID == "" {
			t.Errorf("got %+v", p.Meta)
		}
	})
}

func TestScenarioJSONRoundTrip(t *testing.T) {
	was := mockapi.DefaultScenario()
	was.Faults = []mockapi.Fault{{Kind: "503", At: []int{7, 9}}, {Kind: "429", Probability: .25}}
	was.Drifts = []mockapi.Drift{{Kind: "nul", At: []int{0}}}
	was.Latency, was.Grow = 1500*time.Millisecond, 4
	text, err := json.Marshal(was)
	if err != nil {
		t.Fatal(err)
	}
	var is mockapi.Scenario
	if err := json.Unmarshal(text, &is); err != nil || !reflect.DeepEqual(is, was) {
		t.Errorf("%v: %s gave %+v", err, text, is)
	}
}

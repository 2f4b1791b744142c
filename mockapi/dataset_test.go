package mockapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"runtime"
	"testing"
	"unicode/utf8"

	"github.com/pawldata/pawl/mockapi"
)

// TestEventOrder checks that events are sorted by time descending, and events with the same time by id descending. It also
// checks that all ids are different.
func TestEventOrder(t *testing.T) {
	truth := newServer(t, withEvents(20_001)).Truth()
	ties := 0 // the number of events with the time of the event before
	// A group consists of neighbours with the same time.
	groupSize, maxGroupSize := 1, 0
	ids := map[string]bool{}
	var previous mockapi.Row
	for i, row := range truth.Rows(0, truth.Len()) {
		ids[row.ID] = true
		if i > 0 {
			switch row.OccurredAt.Compare(previous.OccurredAt) {
			case 1:
				t.Fatalf("row %d: got a time after that of the row before", i)
			case 0:
				ties++
				groupSize++
				if row.ID >= previous.ID {
					t.Fatalf("row %d: got id %s, want it less than %s, which has the same time", i, row.ID, previous.ID)
				}
			default: // a time before that of the row before
				groupSize = 1
			}
		}
		maxGroupSize = max(maxGroupSize, groupSize)
		previous = row
	}
	wantEqual(t, "number of different ids", len(ids), truth.Len())
	// With too few equal times, the test would not check the order by id. About one event in nine has the time of the event
	// before, which are 2,200 events.
	if ties < 1000 || maxGroupSize < 3 {
		t.Fatalf("got %d events with the time of their neighbour, want 1000 or more; got groups of up to %d events, want 3 or more",
			ties, maxGroupSize)
	}
}

// TestEventStability checks that an event depends on the seed and its distance from the oldest event, not on the size of the
// collection.
func TestEventStability(t *testing.T) {
	const events, newEvents = 500, 3
	truth := newServer(t, withEvents(events)).Truth()
	sameSeed := newServer(t, withEvents(events)).Truth()
	larger := newServer(t, withEvents(events+newEvents)).Truth()
	otherSeed := newServer(t, withEvents(events), withSeed(2)).Truth()
	for i, row := range truth.Rows(0, events) {
		repeated, _ := sameSeed.Row(i)
		if rowText(repeated) != rowText(row) {
			t.Fatalf("row %d: got %s with the same seed, want %s", i, rowText(repeated), rowText(row))
		}
		shifted, _ := larger.Row(i + newEvents)
		if rowText(shifted) != rowText(row) {
			t.Fatalf("row %d: got %s in a larger collection, want %s", i, rowText(shifted), rowText(row))
		}
		if different, _ := otherSeed.Row(i); different.ID == row.ID {
			t.Fatalf("row %d: got the same id %s with another seed", i, row.ID)
		}
	}
}

// TestEventValues checks the form of ids and names, the frequencies of the other values, and that each session has one user,
// one device and one browser.
func TestEventValues(t *testing.T) {
	truth := newServer(t, withEvents(50_000)).Truth()
	uuidV4 := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	eventName := regexp.MustCompile(`^event_[0-9a-z]{6}$`)
	counts := map[string]int{}      // by type, device and browser
	sessions := map[string]string{} // user, device and browser by session id
	users := map[string]bool{}
	for i, row := range truth.Rows(0, truth.Len()) {
		for _, value := range []string{row.ID, row.SessionID, row.UserID} {
			if !uuidV4.MatchString(value) {
				t.Fatalf("row %d: got id %s, want a UUID of version 4", i, value)
			}
		}
		if !eventName.MatchString(row.Name) {
			t.Fatalf("row %d: got name %s, want event_ and 6 base-36 digits", i, row.Name)
		}
		traits := row.UserID + " " + row.DeviceType + " " + row.Browser
		if other, ok := sessions[row.SessionID]; ok && other != traits {
			t.Fatalf("row %d: got %s for the session, want %s as before", i, traits, other)
		}
		sessions[row.SessionID] = traits
		users[row.UserID] = true
		counts[row.Type]++
		counts[row.DeviceType]++
		counts[row.Browser]++
		if row.Extra != nil {
			t.Fatalf("row %d: got extra %s, want nil", i, row.Extra)
		}
		if isWholeMS := row.OccurredAt.Nanosecond()%1e6 == 0; !isWholeMS {
			t.Fatalf("row %d: got time %v, want whole milliseconds", i, row.OccurredAt)
		}
	}
	frequencies := map[string]float64{
		"page_view": .36, "click": .24, "form_submit": .10, "api_call": .10,
		"purchase": .05, "error": .05, "video_play": .05, "scroll": .05,
		"mobile": 1. / 3, "tablet": 1. / 3, "desktop": 1. / 3,
		"Chrome": .25, "Safari": .25, "Firefox": .25, "Edge": .25,
	}
	for value, want := range frequencies {
		if got := float64(counts[value]) / float64(truth.Len()); math.Abs(got-want) > .02 {
			t.Errorf("got frequency %.3f of %s, want about %.2f", got, value, want)
		}
	}
	if len(counts) != len(frequencies) {
		t.Errorf("got values %v, want only the recorded ones", counts)
	}
	if eventsPerSession := truth.Len() / len(sessions); eventsPerSession < 3 || eventsPerSession > 8 {
		t.Errorf("got %d events per session, want 3 to 8", eventsPerSession)
	}
	if len(users) >= len(sessions) {
		t.Errorf("got %d users and %d sessions, want users with several sessions", len(users), len(sessions))
	}
}

// TestEventSizes checks that an event has 332 to 355 bytes and 345 on average, except for a few events with long properties.
func TestEventSizes(t *testing.T) {
	const events = 5000
	srv := newServer(t, withEvents(events))
	page := decode[struct{ Data []json.RawMessage }](t, get(t, srv, eventsPath(events, noCursor)))
	totalBytes, longEvents := 0, 0
	for _, event := range page.Data {
		totalBytes += len(event)
		if len(event) > 400 {
			longEvents++
		} else if len(event) < 332 || len(event) > 355 {
			t.Fatalf("got %d bytes, want 332 to 355: %s", len(event), event)
		}
	}
	if mean := float64(totalBytes) / float64(len(page.Data)); math.Abs(mean-345) > 1.5 {
		t.Errorf("got a mean of %.1f bytes, want about 345", mean)
	}
	// One event in 256 is long, so about 20 events are long.
	if longEvents == 0 || longEvents > 50 {
		t.Errorf("got %d long events, want 1 to 50", longEvents)
	}
}

// TestPropertiesVariants checks that properties are valid JSON and contain values of all JSON types and texts that a careless
// client handles wrongly.
func TestPropertiesVariants(t *testing.T) {
	truth := newServer(t, withEvents(5000)).Truth()
	types := map[string]bool{} // the Go types that the values have after decoding
	var all []byte             // the properties of all rows, one per line
	for i, row := range truth.Rows(0, truth.Len()) {
		var object map[string]any
		if err := json.Unmarshal(row.Properties, &object); err != nil {
			t.Fatalf("row %d: %v in %s", i, err, row.Properties)
		}
		if !utf8.Valid(row.Properties) {
			t.Fatalf("row %d: got properties %q, want valid UTF-8", i, row.Properties)
		}
		for _, value := range object {
			types[fmt.Sprintf("%T", value)] = true
		}
		all = append(all, row.Properties...)
		all = append(all, '\n')
	}
	for _, want := range []string{"string", "float64", "bool", "<nil>", "map[string]interface {}", "[]interface {}"} {
		if !types[want] {
			t.Errorf("got no properties with a value of type %s", want)
		}
	}
	for _, want := range []string{
		"Zürich", "🎉", `\"`, `\\`, `\u`, `{"b":null}`, "-1", "<b>&",
		"90071992", // the first digits of integers above 2^53, which float64 cannot hold
	} {
		if !bytes.Contains(all, []byte(want)) {
			t.Errorf("got no properties with the text %s", want)
		}
	}
}

// TestLargeCollectionMemory checks that a collection of a billion events allocates no memory for its events. It also checks
// rows at the head, in the middle, at the end, and outside the collection.
func TestLargeCollectionMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const events = 1_000_000_000
	truth := newServer(t, withEvents(events)).Truth()
	ids := map[string]bool{}
	for _, i := range []int{0, events / 2, events - 1} {
		row, ok := truth.Row(i)
		if !ok {
			t.Fatalf("got no row %d", i)
		}
		ids[row.ID] = true
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 1<<20 {
		t.Errorf("got %d bytes allocated, want 1 MiB at most", allocated)
	}
	wantEqual(t, "number of different ids", len(ids), 3)
	for _, i := range []int{-1, events} {
		if _, ok := truth.Row(i); ok {
			t.Errorf("got a row %d, want none outside the collection", i)
		}
	}
}

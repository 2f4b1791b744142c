package mockapi_test

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"runtime"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/pawldata/pawl/mockapi"
)

// "Order: timestamp descending, then id descending."
func TestEventOrder(t *testing.T) {
	truth := newServer(t, func(c *mockapi.Config) { c.Events = 20_001 }).Truth()
	ties, maxGroup, length := 0, 0, 1
	ids := map[string]bool{}
	var previous mockapi.Row
	for i, row := range truth.Rows(0, truth.Len()) {
		ids[row.ID] = true
		if i > 0 {
			switch row.OccurredAt.Compare(previous.OccurredAt) {
			case 1:
				t.Fatalf("row %d is newer than the one before", i)
			case 0:
				ties++
				length++
				if row.ID >= previous.ID {
					t.Fatalf("row %d: id %s after %s at the same time", i, row.ID, previous.ID)
				}
			default:
				length = 1
			}
		}
		maxGroup = max(maxGroup, length)
		previous = row
	}
	if len(ids) != truth.Len() {
		t.Fatalf("%d ids for %d events", len(ids), truth.Len())
	}
	if ties < 1000 || maxGroup < 3 {
		t.Fatalf("got %d events with the time of their neighbour, at most %d with one time: too few to check the order by id", ties, maxGroup)
	}
}

// "The set is static": an event depends on the seed and its distance from the oldest event, not on the size.
func TestEventStability(t *testing.T) {
	small := newServer(t, func(c *mockapi.Config) { c.Events = 500 }).Truth()
	same := newServer(t, func(c *mockapi.Config) { c.Events = 500 }).Truth()
	large := newServer(t, func(c *mockapi.Config) { c.Events = 503 }).Truth()
	other := newServer(t, func(c *mockapi.Config) { c.Events, c.Seed = 500, 2 }).Truth()
	for i, row := range small.Rows(0, 500) {
		repeated, _ := same.Row(i)
		shifted, _ := large.Row(i + 3)
		foreign, _ := other.Row(i)
		if rowText(row) != rowText(repeated) || rowText(row) != rowText(shifted) {
			t.Fatalf("row %d: got %s, with the same seed %s, in a larger collection %s", i, rowText(row), rowText(repeated), rowText(shifted))
		}
		if row.ID == foreign.ID {
			t.Fatalf("row %d has the same id under another seed", i)
		}
	}
}

// "type (page_view 36 %, click 24, form_submit 10, api_call 10, purchase, error, video_play, scroll 5 each)"
func TestEventValues(t *testing.T) {
	truth := newServer(t, func(c *mockapi.Config) { c.Events = 50_000 }).Truth()
	id := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	name := regexp.MustCompile(`^event_[0-9a-z]{6}$`)
	counts, sessions, users := map[string]int{}, map[string]string{}, map[string]bool{}
	for i, row := range truth.Rows(0, truth.Len()) {
		if !id.MatchString(row.ID) || !id.MatchString(row.SessionID) || !id.MatchString(row.UserID) || !name.MatchString(row.Name) {
			t.Fatalf("row %d: got %+v", i, row)
		}
		traits := row.UserID + row.DeviceType + row.Browser
		if other, ok := sessions[row.SessionID]; ok && other != traits {
			t.Fatalf("row %d: one session, two visitors", i)
		}
		sessions[row.SessionID], users[row.UserID] = traits, true
		counts[row.Type]++
		counts[row.DeviceType]++
		counts[row.Browser]++
		if row.Extra != nil || row.OccurredAt.Nanosecond()%1e6 != 0 {
			t.Fatalf("row %d: extra %s, time %v", i, row.Extra, row.OccurredAt)
		}
	}
	for value, frequency := range map[string]float64{
		"page_view": .36, "click": .24, "form_submit": .10, "api_call": .10,
		"purchase": .05, "error": .05, "video_play": .05, "scroll": .05,
		"mobile": 1. / 3, "tablet": 1. / 3, "desktop": 1. / 3,
		"Chrome": .25, "Safari": .25, "Firefox": .25, "Edge": .25,
	} {
		if got := float64(counts[value]) / float64(truth.Len()); math.Abs(got-frequency) > .02 {
			t.Errorf("%s: %.3f of all, want %.2f", value, got, frequency)
		}
	}
	if len(counts) != 15 {
		t.Errorf("got other values than the recorded ones: %v", counts)
	}
	if perSession := truth.Len() / len(sessions); perSession < 3 || perSession > 8 || len(users) >= len(sessions) {
		t.Errorf("%d sessions and %d users", len(sessions), len(users))
	}
}

// "332 to 355 bytes, mean 345", except for the few events with long properties.
func TestEventSizes(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.Events = 5000 })
	var page struct{ Data []json.RawMessage }
	if err := json.Unmarshal(get(t, srv, eventsPath(5000, "")).Body.Bytes(), &page); err != nil {
		t.Fatal(err)
	}
	sum, long := 0, 0
	for _, event := range page.Data {
		sum += len(event)
		if len(event) > 400 {
			long++
		} else if len(event) < 332 || len(event) > 355 {
			t.Fatalf("%d bytes: %s", len(event), event)
		}
	}
	mean := float64(sum) / float64(len(page.Data))
	if math.Abs(mean-345) > 1.5 || long == 0 || long > 50 {
		t.Fatalf("mean %.1f bytes, %d long ones", mean, long)
	}
}

func TestPropertiesVariants(t *testing.T) {
	truth := newServer(t, func(c *mockapi.Config) { c.Events = 5000 }).Truth()
	shapes := map[string]bool{}
	for i, row := range truth.Rows(0, truth.Len()) {
		var object map[string]any
		if err := json.Unmarshal(row.Properties, &object); err != nil || !utf8.Valid(row.Properties) {
			t.Fatalf("row %d: %v in %s", i, err, row.Properties)
		}
		for key, value := range object {
			shapes[fmt.Sprintf("%T", value)] = true
			shapes[key] = true
		}
		for _, wanted := range []string{"Zürich", "🎉", `\"`, `\\`, `\u`, `{"b":null}`, "-1", "90071992", "<b>&"} {
			if regexp.MustCompile(regexp.QuoteMeta(wanted)).Match(row.Properties) {
				shapes[wanted] = true
			}
		}
	}
	for _, wanted := range []string{
		"string", "float64", "bool", "<nil>", "map[string]interface {}", "[]interface {}",
		"Zürich", "🎉", `\"`, `\\`, `\u`, `{"b":null}`, "-1", "90071992", "<b>&",
	} {
		if !shapes[wanted] {
			t.Errorf("no properties with %s", wanted)
		}
	}
}

// A collection of a billion events allocates no memory for them.
func TestLargeCollectionMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	srv := newServer(t, func(c *mockapi.Config) { c.Events = 1_000_000_000 })
	truth := srv.Truth()
	ids := make([]string, 0, 3)
	for _, i := range []int{0, 500_000_000, 999_999_999} {
		row, ok := truth.Row(i)
		if !ok {
			t.Fatalf("no row %d", i)
		}
		ids = append(ids, row.ID)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("%d bytes allocated", grown)
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 3 {
		t.Errorf("ids repeat: %v", ids)
	}
	if _, ok := truth.Row(1_000_000_000); ok {
		t.Error("there is a row after the last")
	}
	if _, ok := truth.Row(-1); ok {
		t.Error("there is a row before the first")
	}
}

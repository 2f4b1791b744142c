package mockapi_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/pawldata/pawl/mockapi"
)

// "a data set that grows at the head or whose total moves during a pass"
func TestGrow(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.Grow = 7 })
	began := srv.Truth()
	var ids []string
	for cursor, pages := "", 0; ; pages++ {
		p := getPage(t, srv, 300, cursor)
		if p.Meta.Total != 1000+7*pages {
			t.Errorf("page %d: total %d", pages, p.Meta.Total)
		}
		for _, e := range p.Data {
			ids = append(ids, e.ID)
		}
		if !*p.Pagination.HasMore {
			break
		}
		cursor = *p.Pagination.NextCursor
	}
	// A pass brings what there was when it began, each once and in order.
	if len(ids) != 1000 || began.Len() != 1000 {
		t.Fatalf("%d events", len(ids))
	}
	now := srv.Truth()
	for i, row := range began.Rows(0, 1000) {
		later, _ := now.Row(i + 28)
		if ids[i] != row.ID || later.ID != row.ID {
			t.Fatalf("record %d: %s, then %s, now %s", i, row.ID, ids[i], later.ID)
		}
	}
	if e := srv.Journal().After(0)[3]; e.Size != 1021 || now.Len() != 1028 {
		t.Errorf("size %d, then %d", e.Size, now.Len())
	}
	if p := getPage(t, srv, 28, ""); p.Data[27].ID == ids[0] || getPage(t, srv, 36, "").Data[35].ID != ids[0] {
		t.Error("what is new does not stand at the head")
	}
	sendScenario(t, srv, http.MethodPost, `{"events": 5000, "grow": 0}`)
	if p := getPage(t, srv, 1, ""); p.Meta.Total != 5000 {
		t.Errorf("total %d", p.Meta.Total)
	}
	rows := decodeLines[struct{ ID string }](t, get(t, srv, mockapi.AdminPath+"/truth?size=1000"))
	if len(rows) != 1000 || rows[0].ID != ids[0] || rows[999].ID != ids[999] {
		t.Errorf("the truth of size 1000 has %d rows", len(rows))
	}
}

// Only pages of events make it grow; what it has gained stays when the scenario changes.
func TestGrowEndpoints(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.Grow = 7 })
	for _, path := range []string{"/sessions", "/metrics", "/events/x", ""} {
		get(t, srv, mockapi.BasePath+path)
	}
	get(t, srv, mockapi.AdminPath+"/truth?limit=1")
	if n := srv.Truth().Len(); n != 1000 {
		t.Errorf("%d events", n)
	}
	getPage(t, srv, 1, "")
	sendScenario(t, srv, http.MethodPost, `{"grow": 1}`)
	if total := getPage(t, srv, 1, "").Meta.Total; total != 1007 || srv.Scenario().Events != 1008 {
		t.Errorf("total %d, then %d", total, srv.Scenario().Events)
	}
	sendScenario(t, srv, http.MethodPut, `{}`)
	if c := srv.Scenario(); c.Events != 1008 || c.Grow != 0 {
		t.Errorf("%+v", c)
	}
}

func TestGrowMaximum(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.Events, c.Grow = 999_999_995, 7 })
	for range 2 {
		getPage(t, srv, 1, "")
	}
	if n := srv.Truth().Len(); n != 1_000_000_000 {
		t.Errorf("%d events", n)
	}
}

// Drifts number the events of the start, whatever has come since.
func TestDriftAfterSizeChange(t *testing.T) {
	srv := newDriftingServer(t, "nul@5")
	before, _ := srv.Truth().Row(5)
	sendScenario(t, srv, http.MethodPost, `{"events": 210}`)
	sendScenario(t, srv, http.MethodPost, `{"latency": "1ms"}`)
	if after, _ := srv.Truth().Row(15); before.Drift != "nul" || !bytes.Equal(after.Payload, before.Payload) {
		t.Errorf("%s, then %s", rowText(before), rowText(after))
	}
}

// The total of a filter follows the collection both ways.
func TestFilterTotalAfterSizeChange(t *testing.T) {
	srv := newServer(t, nil)
	for _, size := range []string{"1000", "1500", "400", "0", "900"} {
		sendScenario(t, srv, http.MethodPost, `{"events": `+size+`}`)
		want := 0
		for _, row := range srv.Truth().Rows(0, srv.Truth().Len()) {
			if row.Type == "click" {
				want++
			}
		}
		if got := decode[wirePage](t, get(t, srv, eventsPath(1, "")+"&type=click")).Meta.Total; got != want {
			t.Errorf("of %s events %d, want %d", size, got, want)
		}
	}
}
